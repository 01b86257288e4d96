/* An observer: counts tokens by model, and tells of exchanges that were slow.
 * Configuration: {"slow_ms": 5000}. */

#define WEIR_OBSERVER
#include "weir_plugin.h"

static double slow_ms = 5000;

static weir_text plugin_configure(weir_text config) {
    weir_text value;
    if (weir_json_member(config, WEIR_STR("slow_ms"), &value)) {
        slow_ms = 0;
        for (size_t place = 0; place < value.bytes; place++) {
            if (value.at[place] < '0' || value.at[place] > '9') return WEIR_STR("`slow_ms` must be a whole number");
            slow_ms = slow_ms * 10 + (value.at[place] - '0');
        }
    }
    return WEIR_STR("");
}

static weir_text plugin_on_log(weir_outcomes batch) {
    weir_text name = WEIR_STR("tokens");
    for (size_t i = 0; i < batch.count; i++) {
        const weir_outcome *outcome = &batch.at[i];
        weir_pair label = {WEIR_STR("model"), outcome->meta.model};
        weir_count(name.at, name.bytes, &label, 1, (double)(outcome->usage.input + outcome->usage.output));
        if (outcome->total_ms > slow_ms) {
            weir_text took = WEIR_JOIN(
                outcome->meta.id, WEIR_STR(" took "), weir_number((int64_t)outcome->total_ms), WEIR_STR(" ms at "),
                outcome->upstream
            );
            weir_log(WEIR_WARN, took.at, took.bytes);
        }
    }
    return WEIR_STR("");
}
