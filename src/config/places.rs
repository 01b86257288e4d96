//! Where each value of a YAML file is, and how it is written there: the positions that serde_yaml drops.
//! It must not know which settings exist.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScanError, Span};

use super::path::{FieldPath, Segment};
use super::problem::{Place, Problem};

/// Deeper nesting is refused: no setting needs it, and a tree of any depth could not be dropped safely.
const DEPTH_MAX: usize = 64;
const MERGE_KEY: &str = "<<";

/// The positions of one document.
#[derive(Debug)]
pub(super) struct Places {
    root: Option<Rc<Node>>,
    duplicates: Vec<Problem>,
}

/// Why a text is not one YAML document.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub place: Option<Place>,
    pub message: String,
}

#[derive(Debug)]
struct Node {
    place: Place,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar(String),
    List(Vec<Rc<Node>>),
    Mapping(Mapping),
}

#[derive(Debug, Default)]
struct Mapping {
    entries: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    key: Place,
    value: Rc<Node>,
}

impl Places {
    /// Indexes a text.
    ///
    /// # Errors
    /// The first thing that is not YAML, a second document, or nesting beyond [`DEPTH_MAX`].
    pub(super) fn of(text: &str) -> Result<Places, SyntaxError> {
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| syntax_error(&error))?;
            builder.accept(event, span)?;
        }
        Ok(Places {
            root: builder.root,
            duplicates: builder.duplicates,
        })
    }

    /// Whether the file holds nothing but comments.
    pub(super) fn is_empty(&self) -> bool {
        match self.root.as_deref() {
            None => true,
            Some(root) => {
                matches!(&root.content, Content::Scalar(text) if text.is_empty() || text == "~")
            }
        }
    }

    /// Keys that are written twice in one mapping.
    pub(super) fn duplicates(&self) -> &[Problem] {
        &self.duplicates
    }

    /// The place of the value at `path`, or of the nearest value around it.
    pub(super) fn value(&self, path: &FieldPath) -> Option<Place> {
        self.walk(path).1.map(|node| node.place)
    }

    /// The place of the last key of `path`, or of the nearest value around it.
    pub(super) fn key(&self, path: &FieldPath) -> Option<Place> {
        self.walk(path).0.or_else(|| self.value(path))
    }

    /// The scalar at `path` as it stands in the file, without quotes.
    pub(super) fn written(&self, path: &FieldPath) -> Option<&str> {
        let mut node = self.root.as_deref()?;
        for segment in path.segments() {
            node = node.below(segment)?.1;
        }
        match &node.content {
            Content::Scalar(text) => Some(text),
            Content::List(_) | Content::Mapping(_) => None,
        }
    }

    /// Follows `path` as far as it exists: the place of its last key if all of it does, and the node reached.
    fn walk(&self, path: &FieldPath) -> (Option<Place>, Option<&Node>) {
        let Some(mut node) = self.root.as_deref() else {
            return (None, None);
        };
        let mut key = None;
        for segment in path.segments() {
            match node.below(segment) {
                Some((key_place, value)) => (key, node) = (key_place, value),
                None => return (None, Some(node)),
            }
        }
        (key, Some(node))
    }
}

impl Node {
    fn below(&self, segment: &Segment) -> Option<(Option<Place>, &Node)> {
        match (&self.content, segment) {
            (Content::List(items), Segment::Index(index)) => Some((None, items.get(*index)?)),
            (Content::Mapping(mapping), Segment::Key(key)) => mapping
                .get(key)
                .map(|entry| (Some(entry.key), entry.value.as_ref())),
            _ => None,
        }
    }
}

impl Mapping {
    /// The mapping's own entry, else that of a mapping merged into it (`<<`).
    fn get(&self, key: &str) -> Option<&Entry> {
        let own = self.entries.get(key);
        own.or_else(|| merged(&self.entries.get(MERGE_KEY)?.value, key))
    }
}

fn merged<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    match &node.content {
        Content::Mapping(mapping) => mapping.get(key),
        Content::List(items) => items.iter().find_map(|item| merged(item, key)),
        Content::Scalar(_) => None,
    }
}

/// Turns parser events into nodes, without recursion.
#[derive(Default)]
struct Builder {
    root: Option<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    duplicates: Vec<Problem>,
}

/// A list or mapping whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Rc<Node>>),
    Mapping {
        mapping: Mapping,
        key: Option<(String, Place)>,
    },
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let place = place(&span.start);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(SyntaxError {
                place: Some(place),
                message: "a second document begins here; a configuration is one document".into(),
            }),
            Event::Scalar(text, _, anchor, _) => {
                self.complete(place, anchor, Content::Scalar(text.into_owned()));
                Ok(())
            }
            Event::SequenceStart(anchor, _) => self.begin(place, anchor, Items::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let mapping = Mapping::default();
                self.begin(place, anchor, Items::Mapping { mapping, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.attach(place, node);
                    Ok(())
                }
                None => Err(SyntaxError {
                    place: Some(place),
                    message: "this alias stands inside its own anchor".into(),
                }),
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, items: Items) -> Result<(), SyntaxError> {
        if self.open.len() == DEPTH_MAX {
            return Err(SyntaxError {
                place: Some(place),
                message: format!("nested more than {DEPTH_MAX} levels deep"),
            });
        }
        self.open.push(Open {
            place,
            anchor,
            items,
        });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            let content = match open.items {
                Items::List(items) => Content::List(items),
                Items::Mapping { mapping, .. } => Content::Mapping(mapping),
            };
            self.complete(open.place, open.anchor, content);
        }
    }

    fn complete(&mut self, place: Place, anchor: usize, content: Content) {
        let node = Rc::new(Node { place, content });
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(place, node);
    }

    /// Puts a finished node where it belongs: into the list or mapping that is open, or at the root.
    fn attach(&mut self, place: Place, node: Rc<Node>) {
        let mut twice = None;
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Mapping { mapping, key }) => match key.take() {
                None => *key = Some((key_text(&node), place)),
                Some((name, key)) => {
                    let first = mapping.entries.get(&name).map(|first| first.key);
                    twice = first.map(|first| (name.clone(), key, first));
                    mapping.entries.insert(name, Entry { key, value: node });
                }
            },
        }
        if let Some((name, again, first)) = twice {
            let path = self.path().key(&name);
            self.duplicates.push(duplicate(path, again, first));
        }
    }

    /// The path of the list or mapping that is open.
    fn path(&self) -> FieldPath {
        let parents = self.open.len().saturating_sub(1);
        let mut path = FieldPath::root();
        for open in self.open.iter().take(parents) {
            path = match &open.items {
                Items::List(items) => path.index(items.len()),
                Items::Mapping { key, .. } => {
                    path.key(key.as_ref().map_or("?", |(name, _)| name.as_str()))
                }
            };
        }
        path
    }
}

fn duplicate(path: FieldPath, again: Place, first: Place) -> Problem {
    Problem {
        place: Some(again),
        path,
        message: format!(
            "written a second time (first on line {}); keep one of them",
            first.line
        ),
    }
}

fn key_text(node: &Node) -> String {
    match &node.content {
        Content::Scalar(text) => text.clone(),
        Content::List(_) | Content::Mapping(_) => "?".to_owned(),
    }
}

fn place(marker: &Marker) -> Place {
    Place {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn syntax_error(error: &ScanError) -> SyntaxError {
    SyntaxError {
        place: Some(place(error.marker())),
        message: format!(
            "not YAML: {}; look here and on the line above for a missing quote, bracket or `: `",
            error.info()
        ),
    }
}

impl SyntaxError {
    /// Most syntax errors that people make are tabs, and parsers explain them least.
    pub(super) fn or_tab_in(self, text: &str) -> SyntaxError {
        let is_indented_by_tab = |line: &str| {
            let mut indentation = line
                .chars()
                .take_while(|character| character.is_whitespace());
            indentation.any(|character| character == '\t')
        };
        // A parser may stop at the end of the line above.
        let lines_so_far = self.place.map_or(0, |place| place.line + 1);
        let mut lines = text.lines().take(lines_so_far);
        match lines.position(is_indented_by_tab) {
            Some(index) => SyntaxError {
                place: Some(Place {
                    line: index + 1,
                    column: 1,
                }),
                message: "a tab in the indentation; YAML takes spaces only".into(),
            },
            None => self,
        }
    }
}
