package import Gateway

extension JobRunner {
    /// The worker at one moment, for the admin server. Values; made on any thread.
    package struct Snapshot: Sendable {
        /// A publish connection.
        package struct Publisher: Sendable, Equatable {
            /// Messages handed to the broker since the start.
            package var published: Int
            /// Messages that may be unconfirmed at once, and how many more may be sent now.
            package var window: Int
            package var free: Int
            /// Streams with text that waits for its turn.
            package var ready: Int
        }

        package struct Gateway: Sendable {
            package var name: String
            package var metrics: GatewayMetrics
        }

        package var status: Status
        /// Why jobs cannot begin; empty: they can.
        package var reasons: [String]
        package var lostConnections: Int
        /// Bytes of the bodies of jobs and webhook tasks that are held, and the most (`jobs.max_held_bytes`).
        package var heldBytes: Int
        package var mostHeldBytes: Int
        /// Deliveries whose bodies have no room.
        package var withoutRoom: Int
        package var publishers: [Publisher]
        package var gateways: [Gateway]
        /// Endpoints that are off, or whose breaker is open.
        package var endpoints: [EndpointLedger.State]
    }
}
