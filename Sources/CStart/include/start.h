/// Signals that come before anybody in the program listens.
///
/// While `chat-worker run` starts, a SIGHUP is kept instead of ending the process: a constructor sees to it before `main`,
/// the Swift runtime and every thread. Other commands are left as they are: a terminal that closes ends them.

#ifndef CHAT_WORKER_START_H
#define CHAT_WORKER_START_H

/// Whether a SIGHUP came since the start. Ask after somebody has begun to listen, who has its own way to hear of later ones.
int chat_worker_take_hangup(void);

#endif
