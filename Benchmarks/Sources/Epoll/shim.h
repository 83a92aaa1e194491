// What Glibc's module map leaves out.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

extern int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
extern int epoll_pwait2(int poll, struct epoll_event *events, int count, const struct timespec *timeout, const __sigset_t *mask);

static const uint32_t bench_input = EPOLLIN;
static const uint32_t bench_output = EPOLLOUT;

static inline int bench_accept(int socket) { return accept4(socket, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC); }

// `add`, or change what is watched for.
static inline int bench_watch(int poll, int descriptor, uint32_t events, int add) {
    struct epoll_event event = {.events = events, .data = {.fd = descriptor}};
    return epoll_ctl(poll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event);
}

// Without a time limit where `nanoseconds` is negative.
static inline int bench_wait(int poll, struct epoll_event *events, int count, int64_t nanoseconds) {
    struct timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return epoll_pwait2(poll, events, count, nanoseconds < 0 ? 0 : &limit, 0);
}
