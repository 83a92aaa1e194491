import Glibc

/// What the configuration depends on besides its file. A value, so that tests can have one of their own.
public struct ConfigurationEnvironment: Sendable {
    public var variable: @Sendable (String) -> String?
    public var hostName: String
    public var processID: Int32
    /// The hard limit of descriptors; the worker may raise its soft limit up to it.
    public var mostOpenFiles: Int

    public init(
        variable: @escaping @Sendable (String) -> String? = { _ in nil }, hostName: String = "localhost",
        processID: Int32 = 1, mostOpenFiles: Int = 65_536
    ) {
        self.variable = variable
        self.hostName = hostName
        self.processID = processID
        self.mostOpenFiles = mostOpenFiles
    }

    /// That of this process.
    public static func process() -> ConfigurationEnvironment {
        ConfigurationEnvironment(
            variable: { name in getenv(name).map { String(cString: $0) } }, hostName: currentHostName(),
            processID: getpid(), mostOpenFiles: OpenFilesLimit.current().hard)
    }

    private static func currentHostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// RLIMIT_NOFILE of this process.
public struct OpenFilesLimit: Sendable, Equatable {
    public var soft: Int
    public var hard: Int

    public static func current() -> OpenFilesLimit {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return OpenFilesLimit(soft: 1_024, hard: 1_024)
        }
        return OpenFilesLimit(soft: Int(clamping: limit.rlim_cur), hard: Int(clamping: limit.rlim_max))
    }

    /// Lets the process open as many files as it may at all. Called once at start, before the first connection: the
    /// soft limit of 1024 that a shell gives is meant for programs that use `select`.
    @discardableResult
    public static func raise() -> OpenFilesLimit {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        if getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            _ = setrlimit(resource, &limit)
        }
        return current()
    }
}
