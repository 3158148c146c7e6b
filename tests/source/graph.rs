//! Which file uses which: every `use` and every path of the code, resolved to the file that defines what it names.
//!
//! A re-export (`pub use`) is followed to the definition and is not itself a use, unless the code of its own module uses
//! the name. Items that a macro defines are not seen; a path to one ends in the file of its module.

use super::{Module, SourceFile};
use std::collections::{BTreeMap, BTreeSet};

/// Uses between files, each with the line of one occurrence.
pub type Edges = BTreeMap<(String, String), usize>;

/// Resolves all paths of `files`.
pub fn edges(files: &[SourceFile]) -> Edges {
    let resolver = Resolver::new(files);
    let mut edges = Edges::new();
    for file in files {
        for module in &file.modules {
            let named = module.paths.iter().map(|(path, line)| (path, *line));
            let imports = module.uses.iter().filter(|import| !import.public || import.name.is_none());
            for (path, line) in named.chain(imports.map(|import| (&import.path, import.line))) {
                if let Some(Target::Item(used)) = resolver.resolve(module, path, &mut Vec::new())
                    && used != file.path
                {
                    edges.entry((file.path.clone(), used.to_owned())).or_insert(line);
                }
            }
        }
    }
    edges
}

/// The groups of files that use each other in a circle, each sorted.
pub fn cycles(edges: &Edges) -> Vec<BTreeSet<String>> {
    let mut uses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        uses.entry(from).or_default().push(to);
        uses.entry(to).or_default();
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|&start| (start, reachable(start, &uses))).collect();
    let mut groups = BTreeSet::new();
    for (file, reached) in &reach {
        let group: BTreeSet<String> = reached
            .iter()
            .filter(|other| reach[**other].contains(file))
            .map(|&other| other.to_owned())
            .collect();
        if !group.is_empty() {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reachable<'a>(start: &'a str, uses: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for &next in &uses[file] {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

/// What a path names.
enum Target<'a> {
    Module(&'a [String]),
    /// The file that defines an item.
    Item(&'a str),
}

struct Resolver<'a> {
    modules: BTreeMap<&'a [String], (&'a Module, &'a str)>,
}

impl<'a> Resolver<'a> {
    fn new(files: &'a [SourceFile]) -> Self {
        let all =
            files.iter().flat_map(|file| file.modules.iter().map(|module| (module, file.path.as_str())));
        Resolver { modules: all.map(|(module, file)| (module.path.as_slice(), (module, file))).collect() }
    }

    /// What `path` names in `module`; nothing for another crate or a local variable. `open` are the names that are being
    /// resolved, so that imports in a circle end.
    fn resolve(
        &self,
        module: &'a Module,
        path: &'a [String],
        open: &mut Vec<(&'a [String], &'a str)>,
    ) -> Option<Target<'a>> {
        let (first, mut rest) = path.split_first()?;
        let mut at: &'a [String] = match first.as_str() {
            "crate" => &module.path[..1],
            "self" => &module.path,
            "super" => &module.path[..module.path.len() - 1],
            "memgraph" if module.path[0] == "main" => return self.library(path, open),
            name => match self.member(module, name, open)? {
                Target::Item(file) => return Some(Target::Item(file)),
                Target::Module(path) => path,
            },
        };
        while rest.first().is_some_and(|name| name == "super") {
            (at, rest) = (&at[..at.len() - 1], &rest[1..]);
        }
        self.within(at, rest, open)
    }

    fn library(&self, path: &'a [String], open: &mut Vec<(&'a [String], &'a str)>) -> Option<Target<'a>> {
        let root = *self.modules.keys().find(|path| path.len() == 1 && path[0] == "memgraph")?;
        self.within(root, &path[1..], open)
    }

    /// What `rest` names below the module `at`. A name that is not found there is an item that a macro defines.
    fn within(
        &self,
        at: &'a [String],
        rest: &'a [String],
        open: &mut Vec<(&'a [String], &'a str)>,
    ) -> Option<Target<'a>> {
        let (module, file) = *self.modules.get(at)?;
        let Some((name, rest)) = rest.split_first() else { return Some(Target::Module(at)) };
        match self.member(module, name, open) {
            Some(Target::Module(path)) => self.within(path, rest, open),
            Some(item) => Some(item),
            None => Some(Target::Item(file)),
        }
    }

    fn member(
        &self,
        module: &'a Module,
        name: &'a str,
        open: &mut Vec<(&'a [String], &'a str)>,
    ) -> Option<Target<'a>> {
        let (_, file) = self.modules[module.path.as_slice()];
        if module.children.iter().any(|child| child == name) {
            let path: Vec<String> =
                module.path.iter().map(String::as_str).chain([name]).map(str::to_owned).collect();
            let (path, _) = self.modules.get_key_value(path.as_slice())?;
            return Some(Target::Module(path));
        }
        if module.items.iter().any(|item| item == name) {
            return Some(Target::Item(file));
        }
        if open.contains(&(&module.path, name)) {
            return None;
        }
        open.push((&module.path, name));
        let named = module.uses.iter().find(|import| import.name.as_deref() == Some(name));
        let found = match named {
            Some(import) => self.resolve(module, &import.path, open),
            None => module.uses.iter().filter(|import| import.name.is_none()).find_map(|import| {
                let Some(Target::Module(path)) = self.resolve(module, &import.path, open) else {
                    return None;
                };
                self.member(self.modules[path].0, name, open)
            }),
        };
        open.pop();
        found
    }
}
