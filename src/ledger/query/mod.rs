//! Questions about usage, and their answers in bounded memory.
//! It must not know who asks beyond their scope.

mod answer;
mod fact;
mod groups;
pub mod moment;
mod question;
pub mod scope;
#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
mod walk;

pub use answer::{Answer, AnswerError, answer, answer_within};
pub use fact::{DayTotal, Fact, Label, Sums};
pub use groups::{GROUPS_MAX, Group, TooManyGroups};
pub use question::{DIMENSIONS_MAX, Dimension, Filter, Question, StatusFilter};
pub use walk::{Cursor, PAGE_LOOKED_MAX, PAGE_ROWS_MAX, Page, each_row, page};
