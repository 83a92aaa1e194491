// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that a user's build does not fetch or need what only measures.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "chat-worker", path: "..")],
    targets: [
        .systemLibrary(name: "SimdJSONLibrary", pkgConfig: "simdjson", providers: [.apt(["libsimdjson-dev"])]),
        .target(
            name: "CSimdJSON", dependencies: ["SimdJSONLibrary"], cxxSettings: [.unsafeFlags(["-O3"])],
            linkerSettings: [.linkedLibrary("simdjson")]),
        .executableTarget(
            name: "bench-scanner", dependencies: ["CSimdJSON", .product(name: "ChatModel", package: "chat-worker")],
            path: "Sources/BenchScanner"),
    ],
    cxxLanguageStandard: .cxx17
)
