// swift-tools-version: 6.2
import PackageDescription

/// Every target is built in Swift 6 language mode (the tools version's default) and without warnings.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

// The layers: a target may depend only on those above it in this list.
let layers: [Target] = [
    .systemLibrary(
        name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
    // Signals before `main`; nothing of Swift runs so early.
    .target(name: "CStart"),
    .target(name: "ChatModel", dependencies: [crypto], swiftSettings: strict),
    .target(name: "AMQP", dependencies: ["CRabbitMQ", logging], swiftSettings: strict),
    .target(name: "PeerChecks", dependencies: [nioCore, nioHTTP2, nioSSL], swiftSettings: strict),
    .target(
        name: "Gateway",
        dependencies: [
            "ChatModel", "PeerChecks", nioCore, nioPosix, nioHTTP1, nioHTTP2, nioTLS, nioWebSocket, nioSSL, logging,
        ],
        swiftSettings: strict),
    .target(
        name: "Webhooks",
        dependencies: [
            "ChatModel", "PeerChecks", httpClient, crypto, nioCore, nioPosix, nioHTTP1, nioHTTP2, nioSSL, logging,
        ],
        swiftSettings: strict),
    .target(
        name: "JobRunner",
        dependencies: ["ChatModel", "AMQP", "Gateway", "Webhooks", nioCore, nioPosix, logging, tracing],
        swiftSettings: strict),
    .target(
        name: "WorkerService",
        dependencies: [
            "CStart", "ChatModel", "AMQP", "PeerChecks", "Gateway", "Webhooks", "JobRunner", lifecycle, signals,
            logging, nioCore, nioPosix, nioHTTP1, nioSSL, httpClient, hummingbird, hummingbirdCore, tracing,
            .product(name: "TOMLKit", package: "TOMLKit"),
        ],
        // What TOMLKit imports stays its own: `Foundation` would bring 30 MB of ICU into the program.
        swiftSettings: strict + [.enableUpcomingFeature("MemberImportVisibility")]),
    .target(
        name: "GatewaySimulator",
        dependencies: [
            "ChatModel", "Webhooks", nioCore, nioPosix, nioHTTP1, nioHTTP2, nioTLS, nioWebSocket, nioSSL, httpClient,
            crypto,
        ],
        swiftSettings: strict),
    .executableTarget(
        name: "chat-worker",
        dependencies: [
            "ChatModel", "AMQP", "Webhooks", "JobRunner", "WorkerService", "GatewaySimulator", arguments, logging,
        ],
        // As above.
        swiftSettings: strict + [.enableUpcomingFeature("MemberImportVisibility")]),
]

let tests: [Target] = [
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    // What fuzzing holds to be true of the code that reads hostile bytes; see Fuzz/.
    .target(
        name: "FuzzChecks", dependencies: ["ChatModel", "AMQP", "Gateway", "JobRunner", "Webhooks", nioCore],
        path: "Tests/FuzzChecks",
        swiftSettings: strict),
    // What micro-benchmarks measure; see Benchmarks/. `Internal` links to sources whose types are internal in their layers.
    .target(
        name: "MicroCases", dependencies: ["ChatModel", "AMQP", "Gateway", "Webhooks"], path: "Tests/MicroCases",
        exclude: ["Internal/README.md"], swiftSettings: strict),
    .testTarget(name: "MicroCasesTests", dependencies: ["MicroCases"], swiftSettings: strict),
    .testTarget(name: "FuzzCorpusTests", dependencies: ["FuzzChecks", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "ChatModelTests", dependencies: ["ChatModel", "TestSupport"], swiftSettings: strict),
    .testTarget(name: "AMQPTests", dependencies: ["AMQP", "TestSupport"], swiftSettings: strict),
    .testTarget(
        name: "GatewayTests",
        dependencies: [
            "ChatModel", "Gateway", "GatewaySimulator", "TestSupport", nioCore, nioPosix, nioEmbedded, nioHTTP1,
            nioHTTP2,
            nioTLS, nioSSL, logging,
        ],
        swiftSettings: strict),
    .testTarget(
        name: "WebhooksTests",
        dependencies: ["ChatModel", "PeerChecks", "Webhooks", "TestSupport", nioEmbedded, crypto],
        swiftSettings: strict),
    .testTarget(
        name: "JobRunnerTests",
        dependencies: ["ChatModel", "AMQP", "Gateway", "Webhooks", "JobRunner", "TestSupport", nioEmbedded],
        swiftSettings: strict),
    .testTarget(name: "WorkerServiceTests", dependencies: ["WorkerService", "TestSupport"], swiftSettings: strict),
    .testTarget(
        name: "GatewaySimulatorTests",
        dependencies: [
            "GatewaySimulator", "Webhooks", "ChatModel", "TestSupport", nioCore, nioPosix, nioHTTP1, nioWebSocket,
            nioSSL,
        ],
        exclude: ["Samples"], swiftSettings: strict),
    .testTarget(
        name: "EndToEndTests",
        dependencies: [
            "ChatModel", "AMQP", "Gateway", "Webhooks", "JobRunner", "WorkerService", "GatewaySimulator", "TestSupport",
            "ChaosKit", nioPosix, crypto, logging,
        ],
        exclude: ["Page"], swiftSettings: strict),
    .target(
        name: "ChaosKit",
        dependencies: [
            "ChatModel", "AMQP", "Webhooks", "JobRunner", "GatewaySimulator", "TestSupport", nioCore, nioPosix, crypto,
        ],
        path: "Tests/Chaos/Kit", swiftSettings: strict),
    .executableTarget(
        name: "chaos", dependencies: ["ChaosKit", "TestSupport", arguments], path: "Tests/Chaos/Run",
        swiftSettings: strict),
    // What Autobahn|Testsuite judges; see scripts/autobahn. It imports `Gateway` as tests do, hence debug builds only.
    .executableTarget(
        name: "autobahn-client", dependencies: ["Gateway", nioCore, nioPosix, logging, arguments],
        path: "Tests/Autobahn", swiftSettings: strict),
    .testTarget(
        name: "ChaosTests", dependencies: ["ChaosKit", "JobRunner", "TestSupport", "chat-worker", nioCore, nioPosix],
        swiftSettings: strict),
]

let package = Package(
    name: "chat-worker",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "chat-worker", targets: ["chat-worker"]),
        // For the package in Benchmarks/.
        .library(name: "ChatModel", targets: ["ChatModel"]),
        .library(name: "MicroCases", targets: ["MicroCases"]),
        // For the package in Fuzz/.
        .library(name: "FuzzChecks", targets: ["FuzzChecks"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // Without its traits: they would bring `Foundation`, and 30 MB of ICU, into the program.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: layers + tests
)
