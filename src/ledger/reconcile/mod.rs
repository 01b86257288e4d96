//! Compares a provider's invoice with what the ledger has of one upstream, by day and model.
//! It must not know how either is stored: the invoice comes as a reader, the ledger's side as sums.

mod columns;
mod compare;
mod invoice;
mod ledger_side;
mod number;
mod report;

pub use columns::{Columns, Measure};
pub use compare::{Comparison, Difference, Line, Side, Tolerance, compare};
pub use invoice::{Invoice, InvoiceError, LINES_MAX};
pub use ledger_side::{LedgerSide, days_of, ledger_side};
pub use report::write_text;
