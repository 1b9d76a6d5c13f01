//! Files: a tenant's own, and those in the work folders of its jobs. Contents travel as bytes, everything else as this.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::common::TimeText;

/// Begins to bring a file into the tenant's file space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadStart {
    /// Where it shall lie: `/`-separated, without `.`, `..` and empty parts. What is there is replaced.
    #[schema(example = "cases/wing/mesh.msh")]
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all its bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// Permission bits, 0 to 511 (`0o777`); 420 (`0o644`) when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 511)]
    pub mode: Option<u32>,
    /// Name or id of the project whose files these are; the user's default project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// How far a file has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upload {
    /// Send the rest here; `null` when the tenant had this content already and nothing needs to be sent.
    pub upload: Option<String>,
    /// Bytes that have arrived: the next piece begins here.
    pub offset: u64,
    pub size: u64,
    pub path: String,
    pub sha256: String,
    /// The file lies at its path.
    pub done: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PieceQuery {
    /// Where the piece begins; must be where the last one ended.
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    Folder,
    /// In work folders of jobs; never followed.
    Link,
    /// In work folders of jobs: a socket, a pipe, a device.
    Other,
}

impl FileKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link => "link",
            Self::Other => "other",
        }
    }
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEntry {
    /// From the root of the file space, or of the job's work folder.
    pub path: String,
    pub kind: FileKind,
    /// Bytes of a file; zero of anything else.
    pub size: u64,
    /// Of files in the tenant's space; not known of files in work folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Permission bits; zero of folders in the tenant's space, which have none.
    pub mode: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<TimeText>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    /// A file (then it is the only item) or a folder; the root when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name or id of a project; the user's default project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// All files below, and no folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    pub path: String,
    /// Name or id of a project; the user's default project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    pub path: String,
    /// Name or id of a project; the user's default project when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// A folder with everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
}

/// What a removal took away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesRemoved {
    pub files: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobFilesQuery {
    /// A file (then it is the only item) or a folder, from the job's work folder on; that folder itself when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Items of a page, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobFileQuery {
    pub path: String,
}

/// A piece of a file on its way into a job's work folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobUploadQuery {
    /// Where it shall lie, from the job's work folder on; folders are made where they are missing.
    pub path: String,
    /// Bytes of the whole file, 1 GiB at most; those of this piece when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of all its bytes, 64 hexadecimal digits; needed where the file comes in several pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where the piece begins: the beginning, which begins anew, or where the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// A file that lies there is replaced; it is refused otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
    /// Permission bits, 0 to 511 (`0o777`); 420 (`0o644`) when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(maximum = 511)]
    pub mode: Option<u32>,
}

/// How far a file has come on its way into a job's work folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobUpload {
    /// From the job's work folder on.
    pub path: String,
    /// Bytes that have arrived: the next piece begins here.
    pub offset: u64,
    pub size: u64,
    /// The file lies at its path.
    pub done: bool,
}

/// A file of the tenant's that a job finds in its work folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// In the file space of the job's project: a file, or a folder with everything below it. What lies there at the
    /// submission is what the job gets, whatever happens to it later.
    #[schema(example = "cases/wing")]
    pub path: String,
    /// What it is called in the work folder; the last part of `path` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
