//! What is scored: one request, and the values it is made of. Everything is borrowed from the caller's bytes.

/// One request. Absent is not empty: a log that does not record the body says `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// Path and query as sent.
    pub uri: &'a [u8],
    pub agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    /// Every further header, `Content-Type` and `Cookie` too, in the order sent.
    pub headers: &'a [Header<'a>],
    /// The head of the body.
    pub body: Option<&'a [u8]>,
}

/// One header; names are compared without case.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
}

/// Where a value stood in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The whole path.
    Path,
    /// One segment of the path that is more than a plain word.
    Segment,
    Query,
    Form,
    Json,
    Xml,
    Multipart,
    Cookie,
    Header,
    Agent,
    Referer,
    /// A body of no known form, or one that does not keep to the form it claims.
    Body,
}

impl Place {
    /// Every place, in the order above.
    pub const ALL: [Place; 12] = [
        Place::Path,
        Place::Segment,
        Place::Query,
        Place::Form,
        Place::Json,
        Place::Xml,
        Place::Multipart,
        Place::Cookie,
        Place::Header,
        Place::Agent,
        Place::Referer,
        Place::Body,
    ];
}

/// Which part of a pair a value is: parameter names carry payloads too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Name,
    Value,
    /// The name of an uploaded file.
    File,
}

/// The unit that is scored: some bytes of the request, as sent, and where they stood.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    pub place: Place,
    pub part: Part,
    /// Name of the parameter, field, cookie or header, as sent; empty where there is none.
    pub name: &'a [u8],
    pub raw: &'a [u8],
}
