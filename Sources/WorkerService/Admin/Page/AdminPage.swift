import Hummingbird
import NIOCore

/// The page for a person: one document without anything from elsewhere. It shows what `/events`, `/queues` and `/dead` say,
/// puts text into it as text only, and changes something only with the token that is typed into it.
enum AdminPage {
    static func response() -> Response {
        // The policy lets nothing run but what carries this request's nonce.
        let nonce = SpanIdentity.hex(SpanIdentity.random(bytes: 16))
        let policy =
            "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'; "
            + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        let headers: HTTPFields = [
            .contentType: "text/html; charset=utf-8", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
            .contentSecurityPolicy: policy,
        ]
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(string: document(nonce))))
    }

    private static func document(_ nonce: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="referrer" content="no-referrer">
        <meta name="color-scheme" content="light dark">
        <title>chat-worker</title>
        <link rel="icon" href="data:,">
        <style nonce="\(nonce)">\(style)</style>
        </head>
        <body>\(body)<script nonce="\(nonce)">\(script)</script></body>
        </html>

        """
    }

    private static let body = #"""
        <header>
          <h1>chat-worker</h1>
          <span id="name"></span>
          <span id="state" class="pill" role="status">connecting</span>
          <span id="reasons"></span>
          <span class="gap"></span>
          <span id="version" class="quiet"></span>
          <label class="quiet" for="token">token</label>
          <input id="token" type="password" autocomplete="off" placeholder="to cancel and replay" spellcheck="false">
        </header>
        <p id="notice" role="alert" hidden></p>
        <main>
          <section class="tiles" id="tiles"></section>
          <section class="plots">
            <figure><figcaption>Tokens a second, 5 min</figcaption><svg id="plot-tokens"></svg></figure>
            <figure><figcaption>Jobs, 5 min: <b class="a">running</b>, <b class="b">waiting</b></figcaption><svg id="plot-jobs"></svg></figure>
            <figure><figcaption>First chunk, last minute, ms: <b class="a">p50</b>, <b class="b">p99</b></figcaption><svg id="plot-first"></svg></figure>
            <figure><figcaption>Between chunks, last minute, ms: <b class="a">p50</b>, <b class="b">p99</b></figcaption><svg id="plot-chunk"></svg></figure>
          </section>
          <section><h2>Live streams <small id="streams-note"></small></h2><table id="streams"></table></section>
          <section><h2>Models</h2><table id="models"></table></section>
          <section><h2>Gateways</h2><table id="gateways"></table></section>
          <section><h2>Customers by load</h2><table id="customers"></table></section>
          <section><h2>Broker</h2><table id="broker"></table></section>
          <section><h2>Queues</h2><table id="queues"></table></section>
          <section><h2>Webhook endpoints with trouble</h2><table id="endpoints"></table></section>
          <section><h2>Recent failures</h2><table id="failures"></table></section>
          <section><h2>Dead letters <button id="dead-load" type="button">look</button></h2><table id="dead"></table></section>
        </main>
        """#

    private static let style = #"""

        :root { --back:#f6f7f9; --card:#fff; --text:#1b1f24; --quiet:#5d6672; --line:#dde1e6; --a:#1f6feb; --b:#c4510c;
          --good:#18794e; --bad:#b42318; --warn:#8a5a00; }
        @media (prefers-color-scheme: dark) { :root { --back:#0f1318; --card:#171d24; --text:#e5e9ee; --quiet:#98a3b0;
          --line:#2a323c; --a:#6cb0ff; --b:#ffa35c; --good:#4cc38a; --bad:#ff8a80; --warn:#f2c14e; } }
        * { box-sizing: border-box; }
        body { margin:0; background:var(--back); color:var(--text); font:14px/1.45 system-ui, sans-serif;
          font-variant-numeric: tabular-nums; }
        header { display:flex; flex-wrap:wrap; gap:.4rem .8rem; align-items:center; padding:.7rem 1.2rem;
          background:var(--card); border-bottom:1px solid var(--line); position:sticky; top:0; z-index:1; }
        h1 { font-size:1.05rem; margin:0; } h2 { font-size:.95rem; margin:0 0 .5rem; }
        h2 small, .quiet { color:var(--quiet); font-weight:normal; }
        .gap { flex:1; }
        .pill { padding:.1rem .6rem; border-radius:1rem; border:1px solid currentColor; font-weight:600; }
        .good { color:var(--good); } .bad { color:var(--bad); } .warn { color:var(--warn); }
        #reasons { color:var(--bad); }
        #notice { margin:0; padding:.5rem 1.2rem; background:var(--card); border-bottom:1px solid var(--line); }
        input { font:inherit; color:inherit; background:var(--back); border:1px solid var(--line); border-radius:.4rem;
          padding:.2rem .5rem; width:11rem; }
        button { font:inherit; font-size:.85rem; color:inherit; background:var(--back); border:1px solid var(--line);
          border-radius:.4rem; padding:.05rem .55rem; cursor:pointer; }
        button:hover { border-color:var(--a); } button:disabled { opacity:.45; cursor:default; border-color:var(--line); }
        main { display:grid; gap:.9rem; padding:.9rem 1.2rem; grid-template-columns:repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
        section { background:var(--card); border:1px solid var(--line); border-radius:.6rem; padding:.8rem 1rem;
          overflow-x:auto; min-width:0; }
        .tiles, .plots { grid-column:1/-1; display:grid; gap:.8rem; background:none; border:0; padding:0; }
        .tiles { grid-template-columns:repeat(auto-fit, minmax(7.4rem, 1fr)); }
        .plots { grid-template-columns:repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
        .tile, figure { background:var(--card); border:1px solid var(--line); border-radius:.6rem; padding:.6rem .9rem; margin:0; }
        .tile b { display:block; font-size:1.35rem; font-weight:600; }
        .tile span, figcaption { color:var(--quiet); font-size:.82rem; }
        figcaption b { font-weight:600; } b.a { color:var(--a); } b.b { color:var(--b); }
        svg { display:block; width:100%; height:7rem; margin-top:.3rem; }
        svg path { fill:none; stroke-width:1.6; vector-effect:non-scaling-stroke; }
        svg .a { stroke:var(--a); } svg .b { stroke:var(--b); } svg line { stroke:var(--line); }
        svg text { fill:var(--quiet); font-size:11px; }
        table { border-collapse:collapse; width:100%; }
        th { text-align:left; color:var(--quiet); font-weight:normal; font-size:.82rem; }
        th, td { padding:.18rem .7rem .18rem 0; white-space:nowrap; border-bottom:1px solid var(--line); }
        tr:last-child td { border-bottom:0; } .n { text-align:right; }
        td.empty { color:var(--quiet); }

        """#

    private static let script = #"""

        "use strict";
        const $ = id => document.getElementById(id);
        const token = $("token");
        const history = [], keep = 300;
        let previous = null, base = null;

        const number = (value, digits = 0) => value === null || value === undefined || !isFinite(value) ? "–"
          : value.toLocaleString("en-US", { maximumFractionDigits: digits });
        const age = ms => ms < 1000 ? ms + " ms" : ms < 60000 ? number(ms / 1000, 1) + " s" : number(ms / 60000, 1) + " min";
        const cell = (text, className) => { const td = document.createElement("td"); td.textContent = text ?? "";
          if (className) td.className = className; return td; };

        // A table that somebody is about to click into stays as it is.
        let held = null;
        addEventListener("pointerdown", event => { held = event.target; });
        addEventListener("pointerup", () => setTimeout(() => { held = null; }));
        addEventListener("pointercancel", () => { held = null; });

        // columns: [title, value or node of a row, class]
        function table(id, columns, rows, empty) {
          if ($(id).contains(held) || $(id).contains(document.activeElement)) return;
          const head = document.createElement("tr"), all = [];
          for (const [title, , className] of columns) { const th = document.createElement("th"); th.textContent = title;
            if (className) th.className = className; head.append(th); }
          for (const row of rows) { const tr = document.createElement("tr");
            for (const [, value, className] of columns) { const made = value(row);
              if (made instanceof Node) { const td = cell("", className); td.append(made); tr.append(td); }
              else tr.append(cell(made, typeof className === "function" ? className(row) : className)); }
            all.push(tr); }
          if (!rows.length) { const td = cell(empty, "empty"); td.colSpan = columns.length;
            const tr = document.createElement("tr"); tr.append(td); return $(id).replaceChildren(tr); }
          $(id).replaceChildren(head, ...all);
        }

        function plot(id, series) {
          const width = 300, height = 100, svg = $(id), ns = "http://www.w3.org/2000/svg";
          const points = series.flatMap(one => one.values).filter(isFinite);
          const top = Math.max(1e-9, ...points) * 1.1, make = (name, attributes, text) => {
            const node = document.createElementNS(ns, name);
            for (const key in attributes) node.setAttribute(key, attributes[key]);
            if (text) node.textContent = text; return node; };
          svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
          const parts = [make("line", { x1: 0, x2: width, y1: height - 1, y2: height - 1 }),
            make("line", { x1: 0, x2: width, y1: height / 2, y2: height / 2 })];
          for (const { values, name } of series) {
            let path = "", pen = "M";
            values.forEach((value, index) => { if (!isFinite(value)) { pen = "M"; return; }
              path += `${pen}${(width * (keep - values.length + index) / (keep - 1)).toFixed(1)} ${(height - 1 - value / top * (height - 2)).toFixed(1)}`;
              pen = "L"; });
            parts.push(make("path", { d: path || "M0 0", class: name }));
          }
          parts.push(make("text", { x: 2, y: 11 }, points.length ? number(top, top < 10 ? 1 : 0) : "no values yet"));
          svg.replaceChildren(...parts);
        }

        // A quantile of what came between two readings of a histogram, in ms.
        function quantile(now, then, share) {
          const count = now.count - then.count;
          if (count <= 0) return NaN;
          let below = 0, start = 0;
          for (let index = 0; index < now.buckets.length; index++) {
            const bound = now.buckets[index][0], through = now.buckets[index][1] - then.buckets[index][1];
            if (through >= share * count && through > below)
              return 1000 * (start + (bound - start) * (share * count - below) / (through - below));
            below = through; start = bound;
          }
          return 1000 * start;
        }

        function show(status, at) {
          $("name").textContent = status.worker.name;
          $("version").textContent = `${status.worker.version}, up ${age(status.worker.uptime_seconds * 1000)}`;
          $("state").textContent = status.broker.blocked ? "blocked by the broker" : status.state;
          $("state").className = "pill " + (status.broker.blocked ? "warn" : status.ready ? "good" : "bad");
          $("reasons").textContent = status.reasons.filter(reason => reason !== status.state).join("; ");
          document.title = `${status.state} – ${status.worker.name}`;
          const published = status.broker.publishers.reduce((sum, one) => sum + one.published, 0);
          const ended = status.jobs.completed + status.jobs.failed + status.jobs.cancelled;
          const seconds = previous ? Math.max(.2, (at - previous.at) / 1000) : 1;
          const rate = (value, key) => previous ? Math.max(0, value - previous[key]) / seconds : NaN;
          const sample = { at, published, ended, chunks: status.output_chunks, first: status.latency.first_chunk,
            chunk: status.latency.chunk, running: status.jobs.running, waiting: status.jobs.waiting };
          sample.tokensRate = rate(sample.chunks, "chunks");
          sample.messagesRate = rate(published, "published");
          sample.jobsRate = rate(ended, "ended");
          const then = history.findLast(one => at - one.at >= 60000) ?? history[0] ?? sample;
          for (const key of ["first", "chunk"]) for (const [name, share] of [["50", .5], ["99", .99]])
            sample[key + name] = quantile(sample[key], then[key], share);
          history.push(sample); if (history.length > keep) history.shift();
          previous = sample;

          const cost = status.models.reduce((sum, one) => sum + one.cost_usd, 0);
          $("tiles").replaceChildren(...[
            ["running", number(status.jobs.running)], ["waiting", number(status.jobs.waiting)],
            ["tokens/s", number(sample.tokensRate)], ["messages/s", number(sample.messagesRate)],
            ["jobs/s", number(sample.jobsRate, 1)], ["completed", number(status.jobs.completed)],
            ["failed", number(status.jobs.failed)], ["cost, USD", number(cost, 4)],
            ["first chunk p50, ms", number(sample.first50, 1)], ["webhooks delivered", number(status.webhooks.delivered)],
          ].map(([name, value]) => { const tile = document.createElement("div"); tile.className = "tile";
            const b = document.createElement("b"), span = document.createElement("span");
            b.textContent = value; span.textContent = name; tile.append(b, span); return tile; }));
          plot("plot-tokens", [{ name: "a", values: history.map(one => one.tokensRate) }]);
          plot("plot-jobs", [{ name: "a", values: history.map(one => one.running) }, { name: "b", values: history.map(one => one.waiting) }]);
          for (const key of ["first", "chunk"]) plot("plot-" + key, [
            { name: "a", values: history.map(one => one[key + "50"]) }, { name: "b", values: history.map(one => one[key + "99"]) }]);

          $("streams-note").textContent = status.jobs.running > status.streams.length
            ? `the ${status.streams.length} oldest of ${number(status.jobs.running)}` : "";
          table("streams", [["job", row => row.job], ["customer", row => row.customer], ["model", row => row.model],
            ["gateway", row => row.gateway], ["state", row => row.state.replace("_", " ")], ["chunks", row => number(row.chunks), "n"],
            ["age", row => age(row.age_ms), "n"],
            ["", row => action("cancel", `cancel ${row.job}`, () => act("/jobs/cancel", { job: row.job, customer: row.customer },
              `The cancel of ${row.job} is written.`))]], status.streams, "No job runs.");
          table("models", [["model", row => row.model], ["gateway", row => row.gateway], ["attempts", row => number(row.attempts), "n"],
            ["tokens in", row => number(row.input_tokens), "n"], ["tokens out", row => number(row.output_tokens), "n"],
            ["wasted", row => number(row.wasted_tokens), "n"], ["USD", row => number(row.cost_usd, 4), "n"],
            ["in flight", row => number(route(status, row)?.in_flight ?? 0), "n"],
            ["gate", row => route(status, row)?.gate ?? "open", row => (route(status, row)?.gate ?? "open") === "open" ? "good" : "warn"]],
            merged(status), "No attempt has ended yet.");
          table("gateways", [["gateway", row => row.gateway], ["connections", row => number(row.connections), "n"],
            ["requests", row => number(row.requests), "n"], ["answered", row => number(row.completed), "n"],
            ["failures", row => Object.entries(row.failures).map(([code, count]) => `${code} ${number(count)}`).join(", ") || "none",
              row => Object.keys(row.failures).length ? "warn" : ""]], status.gateways, "None is configured.");
          table("customers", [["customer", row => row.customer], ["running", row => number(row.running), "n"],
            ["waiting", row => number(row.waiting), "n"]], status.customers, "Nobody has jobs here.");
          table("broker", [["connection", row => row.name], ["published", row => number(row.published), "n"],
            ["unconfirmed", row => `${number(row.unconfirmed)} of ${number(row.window)}`, "n"],
            ["streams that wait", row => number(row.ready_streams), "n"]],
            status.broker.publishers.map((one, index) => ({ name: `publisher ${index}`, ...one })), "");
          table("endpoints", [["endpoint", row => row.endpoint], ["state", row => row.disabled ? "disabled" : "breaker open", () => "bad"],
            ["since", row => row.breaker_open_since ?? ""]], status.webhooks.endpoints, "All work.");
          table("failures", [["at", row => row.at], ["job", row => row.job], ["customer", row => row.customer],
            ["model", row => row.model], ["code", row => row.code, () => "bad"], ["stage", row => row.stage.replace("_", " ")]],
            status.failures, "None since the start.");
        }

        const route = (status, row) => status.routes.find(one => one.gateway === row.gateway && one.model === row.model);
        // Models that are asked for the first time have not ended an attempt.
        function merged(status) {
          const known = new Set(status.models.map(row => row.gateway + "\n" + row.model));
          return status.models.concat(status.routes.filter(row => !known.has(row.gateway + "\n" + row.model)).map(row => ({
            gateway: row.gateway, model: row.model, attempts: 0, input_tokens: 0, output_tokens: 0, wasted_tokens: 0, cost_usd: 0 })));
        }

        function action(label, name, run) {
          const button = document.createElement("button"); button.type = "button"; button.textContent = label;
          button.setAttribute("aria-label", name); button.disabled = !token.value; button.dataset.write = "1";
          button.title = token.value ? "" : "needs the token of admin.token_file"; 
          button.onclick = () => { button.blur(); run(); }; return button;
        }
        token.oninput = () => document.querySelectorAll("[data-write]").forEach(button => { button.disabled = !token.value; });

        function notice(text, isBad) { const node = $("notice"); node.hidden = false; node.textContent = text;
          node.className = isBad ? "bad" : "good"; }

        async function act(path, body, done) {
          try {
            const answer = await fetch(path, { method: "POST", headers: { "Authorization": "Bearer " + token.value,
              "Content-Type": "application/json" }, body: JSON.stringify(body) });
            const text = await answer.text();
            if (!answer.ok) { let said = text; try { said = JSON.parse(text).error.message; } catch {}
              return notice(`Refused (${answer.status}): ${said}`, true); }
            notice(typeof done === "function" ? done(JSON.parse(text)) : done, false);
          } catch (error) { notice("The worker cannot be reached: " + error.message, true); }
        }

        async function loadDead() {
          $("dead-load").disabled = true;
          try {
            const answer = await fetch("/dead"), said = await answer.json();
            if (!answer.ok) throw new Error(said.error?.message ?? answer.status);
            table("dead", [["died", row => row.dead_at], ["kind", row => row.kind], ["id", row => row.id], ["customer", row => row.customer],
              ["reason", row => row.reason, () => "bad"], ["tries", row => number(row.tries), "n"],
              ["", row => row.id ? action("replay", `replay ${row.id}`, () => act("/dead/replay", { ids: [row.id] }, result => {
                loadDead(); return result.letters.map(one => `${one.id}: ${one.action} ${one.notes.join("; ")}`).join(", ") || "It is not there any more."; })) : ""]],
              said.letters, "There are none.");
          } catch (error) { notice("Dead letters cannot be read: " + error.message, true); }
          $("dead-load").disabled = false;
        }
        $("dead-load").onclick = loadDead;

        async function loadQueues() {
          if (document.hidden) return;
          try {
            const answer = await fetch("/queues"); if (!answer.ok) throw new Error();
            table("queues", [["queue", row => row.queue], ["messages", row => number(row.messages), "n"],
              ["consumers", row => number(row.consumers), "n"]], (await answer.json()).queues, "None is there.");
          } catch { table("queues", [["", row => row]], [], "The broker does not answer."); }
        }
        loadQueues(); setInterval(loadQueues, 10000);

        const events = new EventSource("/events");
        events.onmessage = event => show(JSON.parse(event.data), Date.now());
        events.onerror = () => { $("state").textContent = "worker not reached"; $("state").className = "pill bad"; };

        """#
}
