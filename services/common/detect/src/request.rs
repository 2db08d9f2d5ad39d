//! What is scored: one request, and the values it is made of. Everything is borrowed from the caller's bytes.

/// One request. Absent is not empty: a log that does not record the body says `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// The target as sent: path and query, or more or less than these (RFC 9112, 3.2).
    pub uri: &'a [u8],
    pub agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    /// Every further header, `Content-Type` and `Cookie` too, in the order sent.
    pub headers: &'a [Header<'a>],
    /// The head of the body.
    pub body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// The target as servers read it: what an absolute one has in front of its path is no part of the path.
    pub fn target(&self) -> Target<'a> {
        let other = Target { origin: self.uri, host: None };
        // As nearly every one is written.
        if self.uri.starts_with(b"/") { other } else { absolute(self.uri).unwrap_or(other) }
    }
}

/// Where a request is sent, read from its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Path and query, the origin form; a target that is neither in this form nor absolute stands here whole.
    pub origin: &'a [u8],
    /// Host and port that an absolute target names, without who asks; empty where it names none.
    pub host: Option<&'a [u8]>,
}

/// `uri` in absolute form: scheme, authority, path and query.
fn absolute(uri: &[u8]) -> Option<Target<'_>> {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let scheme = uri.iter().take_while(part).count();
    let rest = uri[scheme..].strip_prefix(b"://")?;
    if !uri[0].is_ascii_alphabetic() {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, behind) = rest.split_at(end.unwrap_or(rest.len()));
    let origin = if behind.is_empty() { &b"/"[..] } else { behind };
    let host = authority.rsplit(|byte| *byte == b'@').next();
    Some(Target { origin, host })
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
