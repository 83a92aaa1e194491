import AMQP

/// The password of `[broker]`: read when the configuration is, and again by each connect.
extension WorkerConfiguration {
    func brokerPassword(_ reader: SecretReader, _ report: Report) -> String? {
        do throws(SecretReader.Problem) {
            let (password, warning) = try broker.readPassword(reader, user: brokerUsername)
            if let warning { report(mistake(.warning, at: ["broker", "password_file"], warning)) }
            return password
        } catch {
            report(mistake(at: ["broker", "password_file"], error.message))
            return nil
        }
    }

    func brokerPasswordSource(in environment: ConfigurationEnvironment) -> PasswordSource {
        let (broker, user, reader) = (broker, brokerUsername, SecretReader(environment: environment))
        let file = reader.path(of: broker.passwordFile) ?? broker.passwordFile
        return PasswordSource(place: "\(file) (broker.password_file)") { () throws(AMQPError) in
            do throws(SecretReader.Problem) {
                return try broker.readPassword(reader, user: user).password
            } catch {
                throw AMQPError(
                    .configuration,
                    "there is no password to log in with (broker.password_file): \(error.message); it is read again at the "
                        + "next connect")
            }
        }
    }
}

extension WorkerConfiguration.Broker {
    /// What stands in the file or the variable now.
    fileprivate func readPassword(
        _ reader: SecretReader, user: String
    ) throws(SecretReader.Problem) -> (password: String, warning: String?) {
        do throws(SecretReader.Problem) {
            let secret = try reader.read(password)
            return (secret.text, secret.warning)
        } catch {
            // RabbitMQ's ready-made user, which the broker lets in from its own machine only.
            if error.isMissing, user == "guest" { return ("guest", nil) }
            throw error
        }
    }
}
