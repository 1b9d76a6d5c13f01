//! Who is asking and what that lets them do. Handlers receive proofs and nothing else: the state behind them is private
//! to this module, so a handler without a proof reaches neither the store nor the engine.

mod identity;
mod names;
mod proof;
mod request;
mod secret;
mod sign_in;

use std::sync::Arc;

use ports::StoreError;
use store::{JobEntry, Scope};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::ErrorCode;

use crate::app::App;
use crate::limits::STREAMS_MAX;
use crate::problem::Failure;

pub use identity::{Identity, cookie_of};
pub(crate) use names::Directory;
pub use names::{Names, Supply};
pub use proof::{
    AuditAccess, Caller, FilesAccess, JobAccess, OperatorAccess, ProjectAccess, Read, SelfAccess, Sight, SubmitAccess,
    TenantAccess, UserAccess, Write,
};
pub use request::{Body, Meta, Params, Segments};
pub use secret::{Secret, digest_of};
pub use sign_in::{PublicAccess, hash_password};

/// The state of the HTTP edge.
pub(crate) struct Http {
    app: App,
    tokens: identity::TokenCache,
    names: names::Directory,
    sign_ins: sign_in::SignIns,
    streams: Arc<Semaphore>,
}

pub(crate) type Shared = Arc<Http>;

impl Http {
    pub(crate) fn new(app: App) -> Shared {
        let sign_ins = sign_in::SignIns::new(app.settings.sign_ins_per_minute);
        Arc::new(Self {
            app,
            tokens: identity::TokenCache::default(),
            names: names::Directory::default(),
            sign_ins,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        })
    }

    /// Names as last read, at most a few seconds old.
    fn names(&self) -> Names<'_> {
        Names { directory: &self.names, store: &self.app.store }
    }

    /// What was remembered about people and names is read again: somebody changed it here.
    fn forget(&self) {
        self.tokens.forget();
        self.names.forget();
    }

    /// The right to keep one more stream open; it ends with the value.
    fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Failure::new(ErrorCode::TooManyStreams, format!("{STREAMS_MAX} streams are open on this server"))
                .retry_after(10)
        })
    }

    async fn find_job(&self, scope: Scope, named: jobscript::JobRef) -> Result<Option<JobEntry>, StoreError> {
        self.app.store.job(scope, &job_ref(named)).await
    }

    /// The 128 bits of a new id.
    pub(crate) fn draw(&self) -> u128 {
        self.app.ids.draw()
    }
}

/// Names for a task of the server's own, which shows them to those whose rows they are.
pub(crate) fn names_from<'a>(directory: &'a Directory, store: &'a store::SqlStore) -> Names<'a> {
    Names { directory, store }
}

/// The same name in the engine's words.
pub(crate) fn job_ref(named: jobscript::JobRef) -> engine::JobRef {
    match named {
        jobscript::JobRef::Id(id) => engine::JobRef::Id(id),
        jobscript::JobRef::Number(number) => engine::JobRef::Number(number),
        jobscript::JobRef::Element(root, index) => engine::JobRef::Element(root, index),
    }
}
