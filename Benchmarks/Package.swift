// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that a user's build does not fetch or need what only measures.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "chat-worker", path: ".."),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    ],
    targets: [
        .systemLibrary(
            name: "LibRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "Epoll"),
        .executableTarget(
            name: "bench-load", dependencies: ["LibRabbitMQ", "Epoll", .product(name: "Crypto", package: "swift-crypto")],
            path: "Sources/BenchLoad"),
        .systemLibrary(name: "SimdJSONLibrary", pkgConfig: "simdjson", providers: [.apt(["libsimdjson-dev"])]),
        .target(
            name: "CSimdJSON", dependencies: ["SimdJSONLibrary"], cxxSettings: [.unsafeFlags(["-O3"])],
            linkerSettings: [.linkedLibrary("simdjson")]),
        .executableTarget(
            name: "bench-scanner", dependencies: ["CSimdJSON", .product(name: "ChatModel", package: "chat-worker")],
            path: "Sources/BenchScanner"),
        .target(name: "CMicroMeter"),
        .executableTarget(
            name: "micro", dependencies: ["CMicroMeter", .product(name: "MicroCases", package: "chat-worker")],
            path: "Sources/Micro", swiftSettings: [.treatAllWarnings(as: .error)],
            // Valgrind reads the symbols, and fails on the newest kind of debug information.
            linkerSettings: [.unsafeFlags(["-Xlinker", "--strip-debug"])]),
    ],
    cxxLanguageStandard: .cxx17
)
