import NIOCore
import Testing

@testable import Gateway

@Suite struct WebSocketOutputTests {
    @Test(arguments: [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536, 70_003])
    func masksWhatItSends(_ count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let mask: UInt32 = 0x0102_03F4
        let key: [UInt8] = [1, 2, 3, 0xF4]
        let frame = payload.withUnsafeBytes {
            WebSocketOutput.frame(.text, payload: $0, allocator: ByteBufferAllocator(), mask: mask)
        }
        #expect(Array(frame.readableBytesView) == ServerFrame.frame(1, payload, mask: key))
    }

    @Test func closeFrames() {
        let frame = WebSocketOutput.close(code: nil, allocator: ByteBufferAllocator())
        #expect(Array(frame.readableBytesView.prefix(2)) == [0x88, 0x80])
        #expect(WebSocketOutput.close(code: 1000, allocator: ByteBufferAllocator()).readableBytes == 8)
    }

    @Test func masksDiffer() {
        let frames = (0..<8).map { _ in
            Array(WebSocketOutput.close(code: 1000, allocator: ByteBufferAllocator()).readableBytesView)
        }
        #expect(Set(frames).count == 8)
    }
}
