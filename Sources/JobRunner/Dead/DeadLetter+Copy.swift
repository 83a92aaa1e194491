package import AMQP

/// A look takes every dead letter and gives it back, which RabbitMQ 4 counts. In a queue that an earlier version declared,
/// without a limit of its own, a letter that came back too often is dropped (`FormerQueues`): before that, a copy takes its
/// place.
extension DeadLetter {
    /// Times that a letter may come back before it is copied: half of the broker's limit, so that as many looks that are cut
    /// off, or copies that are not taken, do no harm.
    package static let mostReturns = FormerQueues.defaultLimit / 2

    /// Properties of a copy that reads the same, which the broker has not counted. It goes to the dead-letter queue and
    /// nowhere else, and is believed no more than the letter was.
    package func copied(_ delivery: Delivery) -> MessageProperties {
        var properties = delivery.properties
        // Nobody can publish under another's login.
        if !isOwn { properties.userID = nil }
        var headers = FieldTable()
        for (key, value) in delivery.properties.headers
        where !Republication.isBrokers(key) && key != "CC" && key != "BCC" {
            headers[key] = value
        }
        properties.headers = headers
        if (try? PublishTemplate(exchange: "", routingKey: "", properties: properties)) == nil {
            Republication.shorten(&properties, keeping: headers)
        }
        return properties
    }
}
