//! Opening files: regular ones only, and of those that a model names only the ones of its own folder.
//!
//! A model is data, and must not choose which files are opened. Its weights are next to it. A symbolic link counts as
//! the file that it leads to, which must be in one of three places: the folder of the model, the folder of the file that
//! the model itself is a link to, or the same folder of a Hugging Face cache, where
//! `models--…/snapshots/…/openvino_model.bin` is a link to `models--…/blobs/…`.
//!
//! Source: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use crate::error::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// How the folder of one model in a Hugging Face cache is called, followed by the model's name.
const CACHED: &str = "models--";

/// Where a file is that a model names.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "openvino", feature = "onnx")), allow(dead_code))] // Only readers of graphs follow names.
pub(super) enum Place {
    /// It does not exist.
    Missing,
    /// With the model.
    Within,
    /// Somewhere else: the path without links.
    Outside(PathBuf),
}

/// The length of a regular file. Opening anything else, such as a pipe without a writer, could wait for ever.
///
/// # Errors
///
/// If the file does not exist, or is not a regular one.
pub(crate) fn length(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if found.is_file() {
        return Ok(found.len());
    }
    let what = if found.is_dir() { "this is a folder" } else { "this is not a regular file" };
    Err(Error::new(ErrorKind::Unsupported, what)
        .in_file(path)
        .help("pipes and devices are not read; save the data to a file first"))
}

/// Opens a regular file.
///
/// # Errors
///
/// As [`length`], or if it cannot be opened.
pub(crate) fn open(path: &Path) -> Result<File> {
    length(path)?;
    File::open(path).map_err(|error| Error::io(path, error))
}

/// Where the file at `path` is, which the model at `model` names.
///
/// # Errors
///
/// If the folder of the model cannot be read.
#[cfg_attr(not(any(feature = "openvino", feature = "onnx")), allow(dead_code))]
pub(super) fn place(model: &Path, path: &Path) -> Result<Place> {
    let Ok(real) = fs::canonicalize(path) else { return Ok(Place::Missing) };
    let folder = model.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| Error::io(folder, error))?;
    let is_cache = |folder: &&Path| {
        folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(CACHED.as_bytes()))
    };
    let cache = folder.ancestors().find(is_cache).map(Path::to_owned);
    let linked = fs::canonicalize(model).ok().and_then(|model| model.parent().map(Path::to_owned));
    let is_within = [Some(folder), linked, cache].into_iter().flatten().any(|place| real.starts_with(place));
    Ok(if is_within { Place::Within } else { Place::Outside(real) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, b"four").unwrap();
        assert_eq!(length(&file).unwrap(), 4);
        assert!(open(&folder.path().join("b")).unwrap_err().is_io());
        assert!(open(folder.path()).unwrap_err().to_string().contains("this is a folder"));
        if cfg!(unix) {
            assert!(open(Path::new("/dev/null")).unwrap_err().to_string().contains("not a regular file"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_counts_as_the_file_that_it_leads_to() {
        use std::os::unix::fs::symlink;
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (model, secret) = (folder.path().join("m.xml"), other.path().join("secret"));
        for file in [&model, &secret, &folder.path().join("m.bin")] {
            fs::write(file, b"x").unwrap();
        }
        symlink(&secret, folder.path().join("out")).unwrap();
        symlink("m.bin", folder.path().join("in")).unwrap();
        let at = |name: &str| place(&model, &folder.path().join(name)).unwrap();
        assert_eq!([at("m.bin"), at("in"), at("none")], [Place::Within, Place::Within, Place::Missing]);
        assert_eq!(at("out"), Place::Outside(fs::canonicalize(&secret).unwrap()));
        // Where the model is a link, its own folder is that of the linked file.
        symlink(other.path().join("real.xml"), folder.path().join("l.xml")).unwrap();
        fs::write(other.path().join("real.xml"), b"x").unwrap();
        let linked = place(&folder.path().join("l.xml"), &folder.path().join("out")).unwrap();
        assert_eq!(linked, Place::Within);
    }

    #[cfg(unix)]
    #[test]
    fn links_of_a_cache_stay_in_the_folder_of_its_model() {
        let cache = tempfile::tempdir().unwrap();
        let [one, other] = ["models--a--b", "models--a--c"].map(|name| cache.path().join(name));
        let snapshot = one.join("snapshots/0123");
        for folder in [&snapshot, &one.join("blobs"), &other.join("blobs")] {
            fs::create_dir_all(folder).unwrap();
        }
        for file in [&one.join("blobs/ab"), &other.join("blobs/cd"), &snapshot.join("m.xml")] {
            fs::write(file, b"x").unwrap();
        }
        let link = |name: &str, to: &str| {
            std::os::unix::fs::symlink(to, snapshot.join(name)).unwrap();
            place(&snapshot.join("m.xml"), &snapshot.join(name)).unwrap()
        };
        assert_eq!(link("m.bin", "../../blobs/ab"), Place::Within);
        assert!(matches!(link("n.bin", "../../../models--a--c/blobs/cd"), Place::Outside(_)));
    }
}
