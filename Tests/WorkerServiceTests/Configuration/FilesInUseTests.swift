import Testing

@testable import WorkerService

/// Which files are read when.
@Suite struct FilesInUseTests {
    @Test func momentsAndCopies() throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        let environment = ConfigurationEnvironment(variable: { $0 == "CREDENTIALS_DIRECTORY" ? path : nil })
        for name in ["broker_password", "key", "token", "ca"] { try folder.write("0123456789abcdef", to: name) }
        let configuration = try WorkerConfiguration(
            parsing: """
                [broker]
                url = "amqps://localhost"
                ca_file = "/etc/broker-ca"
                [gateways.main]
                url = "wss://a"
                key_file = "key"
                key_files = ["/etc/second"]
                headers_file = "headers"
                ca_file = "\(path)/ca"
                [admin]
                token_file = "token"
                """)
        let files = FilesInUse(configuration, in: environment)
        #expect(
            files.readByReload == ["gateways.main.key_file", "gateways.main.key_files", "gateways.main.headers_file"])
        #expect(files.readByConnect == ["broker.password_file", "broker.ca_file"])
        #expect(
            files.copies == [
                "broker.password_file", "gateways.main.key_file", "gateways.main.headers_file", "gateways.main.ca_file",
                "admin.token_file",
            ])
        let marks = files.marksOfTheStart()
        #expect(marks.keys.sorted() == ["admin.token_file", "gateways.main.ca_file"])
        #expect(files.changed(since: marks).isEmpty)
        try folder.write("fedcba9876543210", to: "token")
        #expect(FilesInUse(configuration, in: environment).changed(since: marks) == ["admin.token_file"])
    }

    /// Without systemd's folder a bare name is no file.
    @Test func aNameWithoutAFolder() throws {
        let files = FilesInUse(try WorkerConfiguration(parsing: ""), in: ConfigurationEnvironment())
        #expect(files.readByConnect.isEmpty && files.copies.isEmpty && files.marksOfTheStart().isEmpty)
    }
}
