// What the load generator uses of librabbitmq (Debian's librabbitmq-dev).
#ifndef BENCH_LIBRABBITMQ_SHIM_H
#define BENCH_LIBRABBITMQ_SHIM_H

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

// amqp_login takes the credentials as variadic arguments, which Swift cannot call.
static inline amqp_rpc_reply_t bench_login(amqp_connection_state_t state, const char *user, const char *password) {
  return amqp_login(state, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, user, password);
}

// GNU's, which Swift's Glibc module hides.
void *memmem(const void *haystack, size_t haystack_size, const void *needle, size_t needle_size);

#endif
