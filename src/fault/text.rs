//! What the caller of a failed exchange may read. It must not decide anything.

use std::fmt;

use super::{Fault, Wait, whole_seconds};

/// What the caller may read: it names the thing, the value and the way out, and no address or credential.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::UnknownPath(path) => write!(
                f,
                "no such endpoint: {path}; endpoints of the OpenAI API are served below /v1, and an upstream's own below /<upstream>/"
            ),
            Fault::WrongMethod {
                method,
                path,
                allow,
            } => {
                write!(f, "{path} does not take {method}; allowed: {allow}")
            }
            Fault::BodyTooLarge { limit } => {
                write!(
                    f,
                    "the request body is larger than the limit of {limit} bytes (limits.body_bytes)"
                )
            }
            Fault::UnsupportedEncoding(encoding) => {
                write!(
                    f,
                    "content-encoding `{encoding}` is not supported; send one of gzip, deflate, br, zstd, or none"
                )
            }
            Fault::UnsupportedMediaType(given) => {
                write!(
                    f,
                    "content-type `{given}` is not supported here; send application/json, or multipart/form-data with a boundary where the endpoint takes files"
                )
            }
            Fault::MalformedBody(what) => write!(f, "the request body cannot be read: {what}"),
            Fault::ModelMissing { place } => write!(
                f,
                "you must provide a model: {place} `model` is missing or empty"
            ),
            Fault::ModelUnknown(model) => {
                write!(
                    f,
                    "the model `{model}` does not exist or no upstream serves it; GET /v1/models lists what there is"
                )
            }
            Fault::NoWebSocket(path) => {
                write!(
                    f,
                    "{path} does not speak WebSocket; use POST with stream: true"
                )
            }
            Fault::ClientSlow => write!(f, "the request body did not arrive in time"),
            Fault::ClientNotReading => write!(f, "the client did not read its answer in time"),
            Fault::MalformedMember { param, problem } if param.is_empty() => {
                write!(f, "the request body cannot be read: {problem}")
            }
            Fault::MalformedMember { param, problem } => write!(f, "`{param}` {problem}"),
            Fault::Untranslatable { why, .. } => {
                write!(f, "no upstream of this model takes this request: {why}")
            }
            Fault::NotStored { message, .. } => write!(f, "{message}"),
            Fault::NotServed(what) => write!(f, "{what}"),
            Fault::PathEscapes => write!(f, "the path must not hold `.` or `..` segments"),
            Fault::Denied(denial) => write!(f, "{denial}"),
            Fault::OverLimit(over) => write!(f, "{over}"),
            Fault::Rejected(rejected) => f.write_str(&rejected.message),
            Fault::PluginDown { plugin } => write!(
                f,
                "plugin `{plugin}` could not do its work, and nothing passes without it; try again"
            ),
            Fault::ClientGone => write!(f, "the client closed the connection"),
            Fault::BuffersFull => write!(
                f,
                "too many request bodies are being held; try again shortly"
            ),
            Fault::NoUpstream { model } => write!(
                f,
                "no upstream that serves `{model}` can be reached; try again shortly"
            ),
            Fault::Loading { model } => write!(
                f,
                "every host that serves `{model}` is still loading it; try again shortly"
            ),
            Fault::KeysResting { model, soonest } => write!(
                f,
                "every upstream key for `{model}` is at its limit; the next is free in {} s",
                whole_seconds(*soonest)
            ),
            Fault::NoKey { model } => write!(
                f,
                "every upstream key of this gateway for `{model}` is refused or has expired; its operator has to renew one"
            ),
            Fault::NoKeyFor { model } => write!(
                f,
                "no upstream key of this gateway may be used for `{model}`"
            ),
            Fault::LedgerDown => write!(
                f,
                "this gateway cannot write down what is spent at the moment, and so takes no requests that cost; try again shortly"
            ),
            Fault::ShuttingDown => write!(f, "this gateway is shutting down; try again"),
            Fault::Internal => write!(
                f,
                "an internal error occurred; the operator's log has the cause under this request's id"
            ),
            Fault::Connect { upstream } => write!(f, "upstream `{upstream}` cannot be reached"),
            Fault::ClosedEarly { upstream } => write!(
                f,
                "upstream `{upstream}` closed the connection before it answered"
            ),
            Fault::Unintelligible { upstream, what } => write!(
                f,
                "upstream `{upstream}` gave an answer that is not valid: {what}"
            ),
            Fault::UpstreamStatus { upstream, status } => {
                write!(f, "upstream `{upstream}` answered with status {status}")
            }
            Fault::CredentialRefused { upstream, .. } => {
                write!(
                    f,
                    "upstream `{upstream}` refused this gateway's credential; its operator has to renew it"
                )
            }
            Fault::FirstEvent { upstream, status } => write!(
                f,
                "upstream `{upstream}` refused the stream with status {status}"
            ),
            Fault::Timeout {
                upstream,
                wait: Wait::FirstByte(bound),
            } => {
                write!(
                    f,
                    "upstream `{upstream}` sent nothing within {bound:?} (timeouts.first_byte)"
                )
            }
            Fault::Timeout {
                upstream,
                wait: Wait::Total(bound),
            } => {
                write!(
                    f,
                    "upstream `{upstream}` did not finish within {bound:?} (timeouts.total)"
                )
            }
            Fault::Timeout {
                upstream,
                wait: Wait::Probes,
            } => write!(
                f,
                "upstream `{upstream}` has not answered, and fails its health probes"
            ),
            Fault::Truncated { upstream } => write!(
                f,
                "upstream `{upstream}` ended the answer before it was complete"
            ),
            Fault::Stalled { upstream, idle } => {
                write!(
                    f,
                    "upstream `{upstream}` sent nothing for {idle:?} in the middle of the answer (timeouts.idle)"
                )
            }
            Fault::ErrorEvent { upstream, .. } => write!(
                f,
                "upstream `{upstream}` reported an error in the middle of the answer"
            ),
            Fault::EventTooLarge { upstream, limit } => {
                write!(
                    f,
                    "upstream `{upstream}` sent more than {limit} bytes without an end (limits.event_bytes)"
                )
            }
        }
    }
}
