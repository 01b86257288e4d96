// An observer: counts tokens by model, and tells of exchanges that were slow.
// Configuration: {"slow_ms": 5000}.

import log from "weir:plugin/log@0.1.0";
import metrics from "weir:plugin/metrics@0.1.0";

let slowMs = 5000;

export const lifecycle = {
    configure(configJson) {
        slowMs = JSON.parse(configJson)?.slow_ms ?? 5000;
    },
};

export const observer = {
    onLog(batch) {
        for (const { meta, usage, upstream, totalMs } of batch) {
            metrics.count("tokens", [{ key: "model", value: meta.model }], usage.input + usage.output);
            if (totalMs > slowMs) log.write("warn", `${meta.id} took ${Math.round(totalMs)} ms at ${upstream}`);
        }
    },
};
