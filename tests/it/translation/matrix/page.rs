//! `docs/translation.md`: the words around the tables, and the test that holds the page to what the machines do.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::machine::DIALECTS;
use super::tables;

const BEFORE: &str = r#"# Translation between dialects

<!-- Written by `UPDATE_EXPECTED=1 cargo test translation_page`; a test fails where this page and the program differ. -->

A client keeps the API that it speaks, and the operator puts any upstream behind it. Where an upstream speaks the client's own
dialect, the bytes pass untouched, and nothing of this page applies. Otherwise the request is read, told in the upstream's
dialect, and the answer is told back in the client's, event by event where it is a stream.

Each table below was filled by running the translation on a request or an answer that says one thing:

| | |
| --- | --- |
| yes | It arrives as what it was. A name in brackets: something about it was changed, and the header says so. |
| adapted | It arrives as something else that means the same to the model: words in a prompt, an image in the next turn. |
| dropped (`name`) | It is left out, and the header `x-weir-dropped` of the answer names it. |
| silent | It is left out without a word: nobody misses it. |
| **400** `name` | The request is refused in the client's own form of errors: the answer would not be to what was asked. |
| – | The client's dialect cannot say it. |

A model that is known to take less than its dialect has, gets less: see "Capabilities". The tables are for models of which
nothing is known; the three columns of Chat are for OpenAI, for vLLM as an example of engines, and for servers of unknown make.
The last column stands for Gemini's own API, not for its surface in OpenAI's form.

## How it is carried

* **Instructions** that stand first go where the upstream has its place for them; `developer` becomes `system` for all but
  OpenAI. Later ones stay where they are if the model takes them there, and become the user's words in the same place otherwise.
* **Images, sound, files** go in base64 or as URLs, as the upstream takes them. weir fetches no URLs. Images within the result
  of a tool follow in a turn of the user's where the upstream's tools answer in text alone.
* **Tools**: names that the upstream does not take are shortened, and the client reads its own again. Custom tools (free text)
  become functions of one text, `input`, and namespaces become prefixes; calls come back as the client's kinds. Calls without
  results get one that says so, results without calls become the user's words.
* **Reasoning** is told as the client's dialect has it: `reasoning_content` (Chat), `thinking` (Anthropic, Ollama), reasoning items
  (Responses), thoughts (Gemini). Proofs (`signature`, `encrypted_content`, `thoughtSignature`) travel in the client's own place for
  them, marked with their origin, and go back to their own vendor only. For clients without such a place (Chat, Ollama), weir
  keeps the reasoning of turns with tool calls for `translation.reasoning_kept`.
* **Usage** is one set of counts: input that no cache answered, read from and written to a cache, output, and the part of it that
  was reasoning. Each dialect's own sums are made from it.
* **Streams** end as the client's dialect demands, on every path. A stream that stands still for `translation.keepalive` gets an event
  without content. An error before the first word is an answer with a status; after it, the dialect's own event of errors.
  A last event (`[DONE]`, `message_stop`) without a reason why the answer ends is a break like any other, but of kinds whose servers are
  known to leave the reason out (`openai-compatible`, `cloudflare`). A stream where a whole answer was asked for is gathered.

"#;

const POLICY: &str = r#"## What is lost, and what follows

`translation.loss`, or `loss` of a model of its own, says how losses are treated:

* `warn` (the default): what is harmless is left out, and named in `x-weir-dropped`; what would change the meaning is a 400.
* `strict`: what `warn` names in the header is a 400 as well.
* `silent`: as `warn`, without the header.

"#;

const CAPABILITIES: &str = r#"
## Capabilities

What a model takes is data: weir knows the common models by name, and the configuration goes before what it knows. What is not
known is allowed; the upstream then says no itself.

```yaml
translation:
  models:
    # By the upstream's name for the model: a name, a glob or /regex/. A name goes before patterns, a longer pattern before a shorter.
    "qwen3-*":
      context: 131072           # input and output together, in tokens
      max_output: 32768         # a larger bound of the client's is lowered, and named
      sampling: true            # takes temperature, top_p and top_k
      prefill: true             # goes on with a text of the assistant's that stands last
      tools: true
      forced_tools: false       # a forced tool becomes a free choice, and is named
      thinking: adaptive        # never, budget, adaptive or always
      efforts: [low, medium, high]
      system_anywhere: true     # instructions may stand between later turns
      structured_output: true   # can be held to a JSON Schema
      images: true
      audio: false              # a request with sound is refused, or goes to another target of the model
      documents: false
      responses_only: false     # served by OpenAI's Responses API only
```

Which dialects an upstream speaks follows from its `kind`; `dialects` of an upstream goes before that, the best first.

"#;

fn page() -> String {
    let mut page = BEFORE.to_owned();
    for client in DIALECTS {
        let (heading, requests) = (tables::heading(client), tables::of_requests(client));
        let answers = tables::of_answers(client);
        let _ = writeln!(
            page,
            "{heading}\n\nWhat becomes of requests, by upstream:\n\n{requests}"
        );
        let _ = writeln!(page, "What becomes of answers, by upstream:\n\n{answers}");
    }
    let _ = writeln!(page, "## Ends of answers\n\n{}", tables::of_reasons());
    page.push_str("An answer with calls ends for them (`tool_calls`, `tool_use`) whatever the upstream says, unless it was cut off.\n\n");
    let _ = writeln!(
        page,
        "## Errors\n\nThe upstream's words are kept; a retry time comes as `retry-after`.\n\n{}",
        tables::of_errors()
    );
    page.push_str(POLICY);
    page.push_str(&tables::of_losses());
    page.push_str(CAPABILITIES.trim_end());
    page.push('\n');
    page
}

/// The page, from this file, so that it does not matter which package the tests are compiled in.
fn path() -> PathBuf {
    let this_file: &str = file!();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(this_file);
    let root = here
        .ancestors()
        .nth(5)
        .expect("tests/it/translation/matrix/page.rs");
    root.join("docs/translation.md")
}

#[test]
fn translation_page_says_what_the_machines_do() {
    let page = page();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        return fs::write(path(), page).expect("the page can be written");
    }
    let written = fs::read_to_string(path()).expect("docs/translation.md is there");
    let differs = written
        .lines()
        .zip(page.lines())
        .find(|(written, found)| written != found);
    assert!(
        written == page,
        "docs/translation.md says\n  {}\nand this is so:\n  {}\n(UPDATE_EXPECTED=1 writes it anew)",
        differs.map_or("the same, but is longer or shorter", |(written, _)| written),
        differs.map_or("", |(_, found)| found),
    );
}
