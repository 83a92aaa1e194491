import Testing

/// The real program as a process: what systemd, an operator and a shell see of it. One after the other, since they share
/// a broker that some of them stop.
@Suite(.serialized) struct ProcessTests {}
