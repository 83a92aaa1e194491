import GatewaySimulator
import WorkerService

/// `--scenario`: what a file says becomes the options of the simulated gateway. What the file has wins over the other
/// options of the command line.
enum ScenarioOption {
    static func apply(_ path: String, to options: inout SimulatedGateway.Options) throws(ConfigurationErrors) {
        let file = try ScenarioFile.load(path: path) { file in
            var problems: [ScenarioFile.Problem] = []
            _ = scenario(of: file) { problems.append(($0, $1)) }
            return problems
        }
        options.scenario = scenario(of: file) { _, _ in }
        if let seed = file.seed { options.seed = UInt64(clamping: seed) }
        if let tokens = file.tokens { options.tokens = tokens }
        if let rate = file.rate { options.tokensPerSecond = rate }
        if let delay = file.firstToken { options.firstTokenDelay = delay }
        if let closes = file.closesAfterAnswer { options.closesAfterAnswer = closes }
        if let certificate = file.tls.certificateFile, let key = file.tls.keyFile {
            options.tls = .init(certificateFile: certificate, keyFile: key)
        }
        options.tls?.isOld = file.tls.version == .old
    }

    private static func scenario(
        of file: ScenarioFile, report: (_ path: [String], _ message: String) -> Void
    ) -> Scenario {
        func fault(_ text: String, at path: [String]) -> Fault? {
            do throws(Fault.ParseError) { return try Fault(parsing: text) } catch {
                report(path, error.description)
                return nil
            }
        }
        let rules = file.rules.map { written in
            let path = ["rules", written.name, "fault"]
            var rule = Scenario.Rule(fault: written.fault == "none" ? nil : fault(written.fault, at: path))
            (rule.model, rule.user, rule.text) = (written.model, written.user, written.text)
            (rule.requests, rule.percent) = (written.requests, written.percent)
            if rule.fault?.stage == .connection, written.model != nil || written.user != nil || written.text != nil {
                report(path, "strikes before anything was asked: it goes with requests and percent only")
            }
            return rule
        }
        let mix = file.mix.sorted { $0.key < $1.key }.compactMap { text, percent in
            fault(text, at: ["mix", text]).map { Scenario.Share($0, percent: percent) }
        }
        for (stage, name) in [(Fault.Stage.connection, "connections"), (.head, "upgrades"), (.request, "requests")] {
            let sum = mix.filter { $0.fault.stage == stage }.reduce(0) { $0 + $1.percent }
            if sum > 100 { report(["mix"], "what it does to \(name) is more than 100 percent together") }
        }
        return Scenario(rules: rules, mix: mix)
    }
}
