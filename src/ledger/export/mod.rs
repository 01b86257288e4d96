//! Usage as files: rows and answers as CSV and as JSON, one object a line, and what each tenant and tag has cost.
//! It must not decide who may see what: it writes only what a scope lets be seen.

mod allocation;
mod csv_cells;
mod record;
mod write;

pub use allocation::{Allocation, allocate};
pub use record::Record;
pub use write::{ExportError, Exporter, Format, export_rows, write_answer};
