//! A promise that always settles.

use std::sync::Once;

use napi::bindgen_prelude::Object;
use napi::{Env, Error, JsDeferred, JsError, Result};

/// What a failed call says: plain data until it is back on JavaScript's thread.
pub struct Failure {
    /// From the closed table.
    pub code: &'static str,
    /// JSON: message, context, operation whose error is the cause.
    pub detail: String,
}

type Resolver = Box<dyn FnOnce(Env) -> Result<String> + Send>;

/// A promise of text. Dropped unsettled (a panic, a closed engine) it rejects, since otherwise it would keep the process for ever.
pub struct Pending(Option<JsDeferred<String, Resolver>>);

impl Pending {
    /// A promise and its other end.
    pub fn new(env: &Env) -> Result<(Self, Object<'_>)> {
        let (deferred, promise) = env.create_deferred()?;
        Ok((Self(Some(deferred)), promise))
    }

    /// Settles the promise.
    pub fn settle(mut self, outcome: std::result::Result<String, Failure>) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: std::result::Result<String, Failure>) {
        if let Some(deferred) = self.0.take() {
            deferred.resolve(Box::new(move |env| outcome.map_err(|failure| failure.into_js(env))));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.send(Err(Failure {
            code: "INTERNAL",
            detail: r#"{"message":"the engine ended before it answered"}"#.into(),
        }));
    }
}

/// An error code as JavaScript sees it.
pub struct Code(pub &'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl Failure {
    fn into_js(self, env: Env) -> Error {
        Error::from(JsError::from(Error::new(Code(self.code), self.detail)).into_unknown(env))
    }
}

thread_local! {
    static OURS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Marks this thread as the engine's: a panic on it is reported as an error and prints nothing.
pub fn quiet_thread() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !OURS.with(std::cell::Cell::get) {
                others(info);
            }
        }));
    });
    OURS.with(|ours| ours.set(true));
}
