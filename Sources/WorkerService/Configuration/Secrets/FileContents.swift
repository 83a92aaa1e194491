import Glibc

/// A small file, read whole. For the configuration and for secrets, at start and on reload.
struct FileContents {
    var bytes: [UInt8]
    /// Anybody on the machine can read it.
    var isWorldReadable: Bool

    static func read(_ path: String, atMost limit: Int) throws(FileProblem) -> FileContents {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileProblem(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileProblem(errno) }
        if status.st_mode & S_IFMT == S_IFDIR { throw FileProblem(EISDIR) }
        var contents = FileContents(bytes: [], isWorldReadable: status.st_mode & S_IROTH != 0)
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileProblem(errno) }
            if count == 0 { return contents }
            contents.bytes += buffer.prefix(count)
            guard contents.bytes.count <= limit else { throw FileProblem(EFBIG) }
        }
    }
}

/// Why a file could not be read; says nothing of its content.
struct FileProblem: Error, Equatable {
    let code: Int32

    init(_ code: Int32) {
        self.code = code
    }

    var isMissing: Bool { code == ENOENT || code == ENOTDIR }

    var message: String {
        switch code {
        case ENOENT, ENOTDIR: "there is no such file"
        case EACCES, EPERM: "this user may not read it"
        case EISDIR: "is a directory"
        case EFBIG: "is far too large"
        case EAGAIN: "has nothing to read"
        default: String(cString: strerror(code))
        }
    }
}
