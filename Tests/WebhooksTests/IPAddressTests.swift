import NIOCore
import Testing

@testable import Webhooks

@Suite struct IPAddressTests {
    @Test(
        arguments: [
            ("127.0.0.1", [127, 0, 0, 1]),
            ("255.255.255.255", [255, 255, 255, 255]),
            ("0.0.0.0", [0, 0, 0, 0]),
            ("::ffff:10.1.2.3", [10, 1, 2, 3]),
            ("::FFFF:0A01:0203", [10, 1, 2, 3]),
            ("::1", [UInt8](repeating: 0, count: 15) + [1]),
            ("::", [UInt8](repeating: 0, count: 16)),
            ("2001:db8::8:800:200c:417a", [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 8, 8, 0, 0x20, 0xc, 0x41, 0x7a]),
            ("1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]),
            ("1:2:3:4:5:6:7::", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0]),
            ("64:ff9b::1.2.3.4", [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
        ] as [(String, [UInt8])])
    func parses(text: String, bytes: [UInt8]) throws {
        let address = try #require(IPAddress(text))
        #expect(address.bytes == bytes)
        #expect(IPAddress(bytes: bytes) == address)
        #expect(IPAddress(address.description) == address)
    }

    @Test(arguments: [
        "", "1", "127.1", "2130706433", "0x7f.0.0.1", "0x7f000001", "0177.0.0.1", "127.0.0.01", "1.2.3", "1.2.3.4.5",
        "1.2.3.256", "1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "1..2.3", "1.2.3.", "+1.2.3.4", "１.2.3.4",
        ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "::12345", "::g",
        "fe80::1%eth0",
        "[::1]", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", ":1::2", "1::2:",
    ])
    func refuses(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [
        ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"), ("::ffff:1.2.3.4", "1.2.3.4"),
        ("0:0:0:0:0:0:0:0", "::"), ("1:0:0:0:0:0:0:0", "1::"), ("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"),
    ])
    func printsTheNormalForm(text: String, normal: String) {
        #expect(IPAddress(text)?.description == normal)
    }

    @Test func readsSocketAddresses() throws {
        #expect(IPAddress(try SocketAddress(ipAddress: "10.1.2.3", port: 1)) == IPAddress("10.1.2.3"))
        #expect(IPAddress(try SocketAddress(ipAddress: "fe80::1", port: 1)) == IPAddress("fe80::1"))
        #expect(IPAddress(try SocketAddress(ipAddress: "::ffff:127.0.0.1", port: 1)) == IPAddress("127.0.0.1"))
        #expect(IPAddress(try SocketAddress(unixDomainSocketPath: "/tmp/x")) == nil)
    }

    @Test(arguments: [0, 3, 5, 15, 17]) func needsFourOrSixteenBytes(count: Int) {
        #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }
}

@Suite struct CIDRBlockTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::2"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.1/32", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.0"),
        ("172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
        ("fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"),
        ("::/0", "::", "ffff::", "1.2.3.4"),
        ("::1/128", "::1", "::1", "::2"),
        ("::ffff:10.0.0.0/104", "10.0.0.0", "10.9.9.9", "11.0.0.0"),
    ])
    func contains(block: String, first: String, last: String, outside: String) throws {
        let block = try #require(CIDRBlock(block))
        #expect(block.contains(try #require(IPAddress(first))))
        #expect(block.contains(bytes: try #require(IPAddress(last)).bytes))
        #expect(!block.contains(try #require(IPAddress(outside))))
        #expect(CIDRBlock(block.description) == block)
    }

    @Test(arguments: [
        "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8",
        "10.0.0.0/ 8", "10/8", "::/129", "::1/127", "::ffff:10.0.0.0/95", "fe80::%1/10", "localhost/8", "10.0.0.0/999",
    ])
    func refuses(text: String) {
        #expect(CIDRBlock(text) == nil)
    }
}

@Suite struct AddressGuardTests {
    /// First and last address of every refused network, and the neighbours outside.
    @Test(
        arguments: [
            ("0.0.0.0", "0.255.255.255", [], ["1.0.0.0"]),
            ("10.0.0.0", "10.255.255.255", ["9.255.255.255"], ["11.0.0.0"]),
            ("100.64.0.0", "100.127.255.255", ["100.63.255.255"], ["100.128.0.0"]),
            ("127.0.0.0", "127.255.255.255", ["126.255.255.255"], ["128.0.0.0"]),
            ("169.254.0.0", "169.254.255.255", ["169.253.255.255"], ["169.255.0.0"]),
            ("172.16.0.0", "172.31.255.255", ["172.15.255.255"], ["172.32.0.0"]),
            ("192.0.0.0", "192.0.0.255", ["191.255.255.255"], ["192.0.1.0"]),
            ("192.0.2.0", "192.0.2.255", ["192.0.1.255"], ["192.0.3.0"]),
            ("192.88.99.0", "192.88.99.255", ["192.88.98.255"], ["192.88.100.0"]),
            ("192.168.0.0", "192.168.255.255", ["192.167.255.255"], ["192.169.0.0"]),
            ("198.18.0.0", "198.19.255.255", ["198.17.255.255"], ["198.20.0.0"]),
            ("198.51.100.0", "198.51.100.255", ["198.51.99.255"], ["198.51.101.0"]),
            ("203.0.113.0", "203.0.113.255", ["203.0.112.255"], ["203.0.114.0"]),
            ("224.0.0.0", "239.255.255.255", ["223.255.255.255"], []),
            ("240.0.0.0", "255.255.255.255", [], []),
            ("::", "::ffff:ffff", [], []), ("::ffff:127.0.0.1", "::ffff:10.0.0.1", [], ["::ffff:8.8.8.8"]),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [], []),
            ("fe80::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [], []),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [], []),
            // The address inside decides; next to the networks nobody has any.
            ("64:ff9b::", "64:ff9b::ffff:ffff", [], []), ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", [], []),
            ("64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", ["64:ff9b::8.8.8.8"], ["64:ff9b::1.1.1.1"]),
            ("64:ff9a:ffff::8.8.8.8", "64:ff9b::1:8.8.8.8", [], []),
            ("64:ff9b:1::127.0.0.1", "64:ff9b:1::192.168.1.1", ["64:ff9b:1::8.8.8.8"], ["64:ff9b:1:fffe::8.8.8.8"]),
            ("64:ff9b:0:1::8.8.8.8", "64:ff9b:2::8.8.8.8", [], []),
            // Around bits 64 to 71, behind a prefix of 48, 56 and 64 bits.
            ("64:ff9b:1:a00:0:100::", "64:ff9b:1:a00:0:100:808:808", ["64:ff9b:1:808:8:800::"], []),
            ("64:ff9b:1:a:0:100::", "64:ff9b:1:7f:0:1::", ["64:ff9b:1:8:8:808::"], []),
            ("64:ff9b:1:0:a:1:100::", "64:ff9b:1:0:c0:a801:100::", ["64:ff9b:1:0:8:808:800::"], []),
            // No form has anything else than zeros there.
            ("64:ff9b:1:0:100::8.8.8.8", "64:ff9b:1:808:108:800::", [], []),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [], ["2003::"]),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", [], ["2001:200::"]),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", ["2001:db7:ffff::"], ["2001:db9::"]),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", [], []),
            ("100::", "100::ffff:ffff:ffff:ffff", [], []),
            ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", [], []),
            // No registry has these.
            ("::ffff:0:10.0.0.1", "::ffff:0:10.0.0.1", [], []), ("1::1", "4000::1", [], []),
            ("2001:10::1", "2001:20::1", [], []), ("2003:4000::", "23ff::", ["2003:3fff::"], ["2400::"]),
            ("2d00::", "3fff:1000::", ["2c0f::"], []),
        ] as [(String, String, [String], [String])])
    func judges(first: String, last: String, before: [String], after: [String]) throws {
        let guardian = AddressGuard()
        for refused in [first, last] {
            #expect(guardian.refusal(of: try #require(IPAddress(refused))) != nil, "\(refused)")
        }
        for good in before + after {
            #expect(guardian.refusal(of: try #require(IPAddress(good))) == nil, "\(good)")
        }
    }

    /// What the configuration says holds for the address inside as for the one around it.
    @Test(
        arguments: [
            (allowed: "10.0.0.0/8", only: nil, denied: nil, "64:ff9b::10.0.0.1", true),
            ("64:ff9b::/96", nil, nil, "64:ff9b::10.0.0.1", true),
            (nil, "8.8.8.0/24", nil, "64:ff9b::8.8.8.8", true), (nil, "64:ff9b::/96", nil, "64:ff9b::8.8.8.8", true),
            (nil, "64:ff9b::/96", nil, "64:ff9b::10.0.0.1", false),
            (nil, "8.8.4.0/24", nil, "64:ff9b::8.8.8.8", false),
            (nil, nil, "8.8.8.0/24", "64:ff9b::8.8.8.8", false), (nil, nil, "64:ff9b::/96", "64:ff9b::8.8.8.8", false),
            ("64:ff9b::/96", "64:ff9b::/96", "10.0.0.0/8", "64:ff9b::8.8.8.8", true),
        ] as [(allowed: String?, only: String?, denied: String?, address: String, passes: Bool)])
    func theConfigurationJudgesTranslatedAddresses(
        allowed: String?, only: String?, denied: String?, address: String, passes: Bool
    ) throws {
        func networks(_ text: String?) throws -> [CIDRBlock] {
            try text.map { [try #require(CIDRBlock($0))] } ?? []
        }
        let guardian = AddressGuard(
            allowed: try networks(allowed), only: try networks(only), denied: try networks(denied))
        #expect((guardian.refusal(of: try #require(IPAddress(address))) == nil) == passes)
    }

    @Test func everyNetworkOfTheListParses() {
        #expect(AddressGuard.refused.count == 30 && AddressGuard.assigned.count == 34)
    }

    @Test func anAllowedNetworkOpensOnlyItself() throws {
        let guardian = AddressGuard(allowed: [try #require(CIDRBlock("127.0.0.0/8"))])
        #expect(guardian.refusal(of: try #require(IPAddress("127.1.2.3"))) == nil)
        #expect(guardian.refusal(of: try #require(IPAddress("::ffff:127.0.0.1"))) == nil)
        #expect(guardian.refusal(of: try #require(IPAddress("::1"))) != nil)
        #expect(guardian.refusal(of: try #require(IPAddress("10.0.0.1"))) != nil)
    }
}
