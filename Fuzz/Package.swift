// swift-tools-version: 6.2
import PackageDescription

// A package of its own, because it links only with libFuzzer: `scripts/fuzz` knows the options. What is checked stands
// in Tests/FuzzChecks, where the ordinary tests run it over the corpus.
let package = Package(
    name: "Fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "chat-worker", path: "..")],
    targets: [
        .executableTarget(
            name: "fuzz", dependencies: [.product(name: "FuzzChecks", package: "chat-worker")],
            // The entry is in Fuzz.swift, under the name that SwiftPM gives it.
            swiftSettings: [.unsafeFlags(["-parse-as-library"])])
    ]
)
