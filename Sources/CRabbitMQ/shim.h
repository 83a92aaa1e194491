// What the AMQP target uses of librabbitmq 0.11 (Debian's librabbitmq-dev), and of the system.
#ifndef CHAT_WORKER_CRABBITMQ_SHIM_H
#define CHAT_WORKER_CRABBITMQ_SHIM_H

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

// amqp_login_with_properties takes the credentials as variadic arguments, which Swift cannot call.
static inline amqp_rpc_reply_t chat_worker_login(
    amqp_connection_state_t state, const char *vhost, int channel_max, int frame_max, int heartbeat,
    const amqp_table_t *properties, const char *user, const char *password) {
  return amqp_login_with_properties(state, vhost, channel_max, frame_max, heartbeat, properties,
                                    AMQP_SASL_METHOD_PLAIN, user, password);
}

// Two calls that Swift's Glibc module does not have. A thread's name has at most 15 bytes.
static inline int chat_worker_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
static inline void chat_worker_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
