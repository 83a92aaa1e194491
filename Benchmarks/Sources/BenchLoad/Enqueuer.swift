import Glibc
import LibRabbitMQ

/// Enqueues jobs as a backend would: persistent, with confirms in a window.
struct Enqueuer {
    var port: Int
    var prefix: String
    var customers: Int
    var webhook: String?
    var tokens: Int
    var pace = Pace.none
    /// Unconfirmed jobs.
    var window = 256

    /// - Parameter published: when each left, by its number; monotonic nanoseconds.
    func run(_ numbers: Range<Int>, published: (Int, UInt64) -> Void) {
        let link = Link(port: port)
        link.selectConfirms()
        let (exchange, key, type) = (Name("\(prefix).in"), Name("jobs"), Name("application/json"))
        var properties = amqp_basic_properties_t()
        properties._flags = UInt32(AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG)
        properties.content_type = type.bytes
        properties.delivery_mode = 2
        var confirms = Confirms(count: numbers.count)
        func settle() {
            guard let frame = link.nextFrame(waiting: 10_000_000) else { stop("no confirm within 10 s") }
            confirms.take(frame)
            amqp_maybe_release_buffers(link.state)
        }
        let start = Clock.now()
        for number in numbers {
            if let wait = pace.due(number - numbers.lowerBound) {
                let due = start + wait
                while Clock.now() < due { usleep(UInt32((due - min(due, Clock.now())) / 1_000 + 1)) }
            }
            while confirms.outstanding >= window { settle() }
            let body = self.body(number)
            published(number, Clock.now())
            body.withUnsafeBytes { link.publish(exchange: exchange, routingKey: key, &properties, body: $0) }
            confirms.published += 1
        }
        while confirms.outstanding > 0 { settle() }
    }

    private func body(_ number: Int) -> [UInt8] {
        let webhook = webhook.map { ",\"webhook\":\"\($0)\"" } ?? ""
        return Array(
            """
            {"model":"bench","messages":[{"role":"system","content":"You are a helpful assistant of a large shop. Answer \
            briefly, kindly and in the language of the question."},{"role":"user","content":"Where is my parcel? The order \
            number is \(number)."}],"max_tokens":\(tokens),"job":{"id":"bench-\(number)",\
            "customer":"c\(number % customers)"\(webhook)}}
            """.utf8)
    }
}
