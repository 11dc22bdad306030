//! The fields of a form that was sent, bounded; and those of an address.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use zeroize::Zeroizing;

/// Bytes of a form.
const MOST_BYTES: usize = 64 << 10;
/// Fields of a form.
const MOST_FIELDS: usize = 1024;
/// What a form of a browser is sent as.
const KIND: &str = "application/x-www-form-urlencoded";

/// Why a form is not read.
pub(super) type Refusal = (StatusCode, &'static str);

/// Names and values of a form, in its order. Wiped when dropped: a value may be a patient's.
pub(super) struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// Reads the form of a request.
    ///
    /// # Errors
    /// When it is too long, has too many fields, or is no form.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case(KIND)) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "What was sent is no form."));
        }
        let bytes = to_bytes(body, MOST_BYTES).await;
        let bytes = bytes.map_err(|_| {
            (StatusCode::PAYLOAD_TOO_LARGE, "The form is too long, or broke off on its way.")
        })?;
        let pairs = form_urlencoded::parse(&bytes).take(MOST_FIELDS + 1);
        let fields: Vec<_> = pairs
            .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
            .collect();
        if fields.len() > MOST_FIELDS {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "The form has too many fields."));
        }
        Ok(Self(fields))
    }

    /// Fields as a test gives them.
    #[cfg(test)]
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        let field = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Zeroizing::new((*value).to_owned()))
        };
        Self(pairs.iter().map(field).collect())
    }

    /// The value of a field; the first where several have its name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a field without the blanks around it; empty where it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// Whether a box was ticked.
    pub(super) fn ticked(&self, name: &str) -> bool {
        self.text(name) == "yes"
    }
}

/// The value of a parameter behind the question mark of an address.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes()).take(MOST_FIELDS);
    pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

/// Which page of a long list is asked for, from 1.
pub(super) fn page_number(uri: &Uri) -> usize {
    parameter(uri, "page").and_then(|text| text.parse().ok()).filter(|page| *page > 0).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: impl Into<Body>) -> Result<Fields, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        Fields::read(&headers, body.into()).await
    }

    #[tokio::test]
    async fn a_form_is_read_as_a_browser_sends_it() {
        let fields = read(KIND, "a=1&b=+x%26y+&c=yes&a=2").await.ok().unwrap();
        assert_eq!((fields.get("a"), fields.text("b")), (Some("1"), "x&y"));
        assert!(fields.ticked("c") && !fields.ticked("a") && fields.get("d").is_none());
        assert!(read(&format!("{KIND}; charset=UTF-8"), "a=1").await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_form_or_too_long_is_refused() {
        let status = async |kind: &str, body: String| read(kind, body).await.err().unwrap().0;
        let json = status("application/json", "{}".into()).await;
        assert_eq!(json, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        for long in ["a".repeat(MOST_BYTES + 1), "a&".repeat(MOST_FIELDS + 1)] {
            assert_eq!(status(KIND, long).await, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[test]
    fn a_page_number_is_a_number_from_one() {
        let of = |text: &str| page_number(&text.parse().unwrap());
        assert_eq!(of("/sent?page=3"), 3);
        for other in ["/sent", "/sent?page=0", "/sent?page=-1", "/sent?page=x", "/sent?pages=2"] {
            assert_eq!(of(other), 1, "{other}");
        }
    }
}
