//! Which columns of an invoice mean what: given by name, or known layouts found by their header.
//! It must not know what the cells say.

use std::fmt;

/// What an invoice can tell about a day and a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    Requests,
    /// All input tokens, cached or not.
    Input,
    /// Input tokens read from a cache.
    Cached,
    Output,
    Cost,
}

impl Measure {
    pub const ALL: [Measure; 5] = [
        Measure::Requests,
        Measure::Input,
        Measure::Cached,
        Measure::Output,
        Measure::Cost,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::Input => "input",
            Measure::Cached => "cached",
            Measure::Output => "output",
            Measure::Cost => "cost",
        }
    }
}

/// Where things stand in an invoice. A measure is the sum of its columns; one without columns is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    pub date: String,
    pub model: String,
    pub requests: Vec<String>,
    pub input: Vec<String>,
    pub cached: Vec<String>,
    pub output: Vec<String>,
    pub cost: Vec<String>,
}

/// A layout that is known by its header: date, model, then the columns of each measure in the order of [`Measure::ALL`].
type Layout = (&'static str, &'static str, [&'static [&'static str]; 5]);

/// The first layout of which the header has date, model and one measure is taken.
const LAYOUTS: [Layout; 6] = [
    // weir's own, and what to bring other files into.
    (
        "date",
        "model",
        [
            &["requests"],
            &["input"],
            &["cached"],
            &["output"],
            &["cost"],
        ],
    ),
    // Anthropic's usage export (Console, Usage): input is told in parts, none of which contains another.
    (
        "usage_date_utc",
        "model_version",
        [
            &[],
            &[
                "usage_input_tokens_no_cache",
                "usage_input_tokens_cache_write_5m",
                "usage_input_tokens_cache_write_1h",
                "usage_input_tokens_cache_read",
            ],
            &["usage_input_tokens_cache_read"],
            &["usage_output_tokens"],
            &[],
        ],
    ),
    // Anthropic's cost export (Console, Cost): a line for each kind of token, money only, models by their display names.
    (
        "usage_date_utc",
        "model",
        [&[], &[], &[], &[], &["cost_usd"]],
    ),
    // OpenAI's usage (dashboard export and /v1/organization/usage/completions): `input_tokens` contains the cached ones.
    (
        "start_time_iso",
        "model",
        [
            &["num_model_requests"],
            &["input_tokens"],
            &["input_cached_tokens"],
            &["output_tokens"],
            &[],
        ],
    ),
    (
        "start_time",
        "model",
        [
            &["num_model_requests"],
            &["input_tokens"],
            &["input_cached_tokens"],
            &["output_tokens"],
            &[],
        ],
    ),
    // OpenAI's costs (/v1/organization/costs, flattened), where a line item is a model.
    (
        "start_time_iso",
        "line_item",
        [&[], &[], &[], &[], &["amount_value"]],
    ),
];

impl Columns {
    /// The layout of a header that is known, with those of its columns that the header has.
    pub fn of_header(header: &[&str]) -> Option<Columns> {
        let has = |name: &&str| header.contains(name);
        let layouts = LAYOUTS
            .iter()
            .filter(|(date, model, _)| has(date) && has(model));
        let mut found = layouts.map(|(date, model, measures)| {
            let mut columns = Columns {
                date: (*date).to_owned(),
                model: (*model).to_owned(),
                ..Columns::default()
            };
            for (measure, names) in Measure::ALL.into_iter().zip(measures) {
                let present = names.iter().filter(|name| has(name));
                *columns.of_mut(measure) = present.map(|name| (*name).to_owned()).collect();
            }
            columns
        });
        found.find(|columns| columns.measures().next().is_some())
    }

    /// `date=Day,model=Model,input=Prompt+Cached,cost=Amount`: names of columns, with `+` where several make a sum.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub fn parse(text: &str) -> Result<Columns, String> {
        let mut columns = Columns::default();
        for pair in text.split(',') {
            let (what, names) = pair.split_once('=').ok_or_else(|| {
                format!("`{pair}` does not say which column it is; write for example `date=Day,model=Model,cost=Amount`")
            })?;
            let names: Vec<String> = names
                .split('+')
                .map(|name| name.trim().to_owned())
                .collect();
            let measure = Measure::ALL
                .into_iter()
                .find(|measure| measure.name() == what.trim());
            match (what.trim(), measure) {
                ("date", _) => columns.date = names.concat(),
                ("model", _) => columns.model = names.concat(),
                (_, Some(measure)) => *columns.of_mut(measure) = names,
                (other, None) => {
                    return Err(format!(
                        "`{other}` is nothing that an invoice is read for; there are date, model, requests, input, cached, output and cost"
                    ));
                }
            }
        }
        if columns.date.is_empty() || columns.model.is_empty() {
            return Err("the columns of date and model are needed: `date=Day,model=Model`".into());
        }
        if columns.measures().next().is_none() {
            return Err(
                "no column to compare is named; add requests, input, cached, output or cost".into(),
            );
        }
        Ok(columns)
    }

    pub fn of(&self, measure: Measure) -> &[String] {
        match measure {
            Measure::Requests => &self.requests,
            Measure::Input => &self.input,
            Measure::Cached => &self.cached,
            Measure::Output => &self.output,
            Measure::Cost => &self.cost,
        }
    }

    fn of_mut(&mut self, measure: Measure) -> &mut Vec<String> {
        match measure {
            Measure::Requests => &mut self.requests,
            Measure::Input => &mut self.input,
            Measure::Cached => &mut self.cached,
            Measure::Output => &mut self.output,
            Measure::Cost => &mut self.cost,
        }
    }

    /// What can be compared.
    pub fn measures(&self) -> impl Iterator<Item = Measure> {
        Measure::ALL
            .into_iter()
            .filter(|measure| !self.of(*measure).is_empty())
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "date={},model={}", self.date, self.model)?;
        for measure in self.measures() {
            write!(
                formatter,
                ",{}={}",
                measure.name(),
                self.of(measure).join("+")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_headers_are_understood() {
        let cases = [
            (
                "date,model,input,cached,output,requests,cost",
                "date=date,model=model,requests=requests,input=input,cached=cached,output=output,cost=cost",
            ),
            (
                "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count",
                "date=usage_date_utc,model=model_version,input=usage_input_tokens_no_cache+usage_input_tokens_cache_write_5m+usage_input_tokens_cache_write_1h+usage_input_tokens_cache_read,cached=usage_input_tokens_cache_read,output=usage_output_tokens",
            ),
            (
                "usage_date_utc,model,workspace,api_key,usage_type,token_type,cost_usd",
                "date=usage_date_utc,model=model,cost=cost_usd",
            ),
            (
                "start_time,end_time,start_time_iso,end_time_iso,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens",
                "date=start_time_iso,model=model,requests=num_model_requests,input=input_tokens,cached=input_cached_tokens,output=output_tokens",
            ),
            (
                "model,start_time,output_tokens",
                "date=start_time,model=model,output=output_tokens",
            ),
            (
                "start_time_iso,line_item,amount_value",
                "date=start_time_iso,model=line_item,cost=amount_value",
            ),
        ];
        for (header, expected) in cases {
            let header: Vec<&str> = header.split(',').collect();
            let found = Columns::of_header(&header).map(|columns| columns.to_string());
            assert_eq!(found.as_deref(), Some(expected));
        }
        for header in [&["day", "model", "cost"][..], &["date", "model"], &[]] {
            assert_eq!(Columns::of_header(header), None, "{header:?}");
        }
    }

    #[test]
    fn columns_are_named_in_words() {
        let text = "date=Day,model=Model,input=A+B,cost=Amount USD";
        assert_eq!(Columns::parse(text).unwrap().to_string(), text);
        for (bad, problem) in [
            ("date", "does not say which column"),
            ("date=a,model=b,colour=c", "nothing that an invoice"),
            ("model=b,cost=c", "date and model"),
            ("date=a,model=b", "no column to compare"),
        ] {
            let message = Columns::parse(bad).unwrap_err();
            assert!(message.contains(problem), "{bad}: {message}");
        }
    }
}
