//! Named points at which a test may end the process: before and after every durable write, before
//! and after every message of a service. Only with the feature `failpoints`, which no optimised
//! build takes; without it nothing of this is there.
//!
//! A test names a point in the environment, `FAILPOINTS="store.commit.after=return"`.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` is for tests; build without optimisation");

/// Ends the process here, as a power cut would, when a test says so.
#[cfg(feature = "failpoints")]
pub fn at(point: &str) {
    fail::fail_point!(point, |_| std::process::abort());
}

/// The error of a full disk at a record of this kind, as often as a test says:
/// `FAILPOINTS="journal.committed.full=3*return"`.
///
/// # Errors
/// When the test says so.
#[cfg(feature = "failpoints")]
pub fn full(kind: &str) -> Result<(), crate::Error> {
    let point = format!("journal.{kind}.full");
    fail::fail_point!(&point, |_| {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(crate::Error::file(std::path::Path::new("journal"), full))
    });
    Ok(())
}

/// Takes the points that the environment names, for as long as the process lives; once.
#[cfg(feature = "failpoints")]
pub fn arm() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::mem::forget(fail::FailScenario::setup()));
}

/// A service with a point before and after each of its messages: `/package.Service/Call.in` and
/// `.out`.
#[cfg(feature = "failpoints")]
#[derive(Clone, Debug)]
pub struct Messages<S>(pub S);

#[cfg(feature = "failpoints")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for Messages<S> {
    const NAME: &'static str = S::NAME;
}

#[cfg(feature = "failpoints")]
impl<S, B> tower::Service<tonic::codegen::http::Request<B>> for Messages<S>
where
    S: tower::Service<tonic::codegen::http::Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send + 'static>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: tonic::codegen::http::Request<B>) -> Self::Future {
        let path = request.uri().path().to_owned();
        at(&format!("{path}.in"));
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await;
            at(&format!("{path}.out"));
            answer
        })
    }
}
