#include "start.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t hangup_came = 0;

static void keep(int number) {
    (void)number;
    hangup_came = 1;
}

// glibc hands constructors what `main` gets.
__attribute__((constructor(101))) static void hold(int count, char **arguments) {
    if (count < 2 || arguments[1] == NULL || strcmp(arguments[1], "run") != 0) return;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = keep;
    action.sa_flags = SA_RESTART;
    sigaction(SIGHUP, &action, NULL);
}

int chat_worker_take_hangup(void) {
    int came = hangup_came != 0;
    hangup_came = 0;
    return came;
}
