/// What a gateway did against its protocol, or against the limits set for it. The raw value is a sentence for a person.
protocol GatewayFault: RawRepresentable where RawValue == String {
    /// What it is as a close code of RFC 6455, section 7.4.1: 1007 is not UTF-8, 1009 too large, 1002 all else.
    var closeCode: UInt16 { get }
}
