//! One walk over a parsed file.

use super::{Function, Literal, Module, Named, SourceFile, Use};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Parses one file; `path` is below `src`.
pub fn file(path: String, text: &str) -> SourceFile {
    let ast = syn::parse_file(text).unwrap_or_else(|fault| panic!("{path}: {fault}"));
    let modules = vec![module(module_path(&path))];
    let tests: usize =
        ast.items.iter().filter(|item| is_test(attributes(item))).map(|item| extent(item.span())).sum();
    let file = SourceFile {
        lines: text.lines().count() - tests,
        path,
        modules,
        functions: Vec::new(),
        macros: Vec::new(),
        derives: Vec::new(),
        literals: Vec::new(),
    };
    let mut collector = Collector { file, current: 0, compared: false, argument_of: None };
    collector.visit_file(&ast);
    collector.file
}

/// `graph/op/movement.rs` is `memgraph::graph::op::movement`; the program is a crate of its own.
fn module_path(path: &str) -> Vec<String> {
    let root = if path == "main.rs" || path.starts_with("cli/") { "main" } else { "memgraph" };
    let names = path.trim_end_matches(".rs").split('/').filter(|name| !["lib", "main", "mod"].contains(name));
    std::iter::once(root).chain(names).map(str::to_owned).collect()
}

fn module(path: Vec<String>) -> Module {
    Module {
        path,
        items: Vec::new(),
        children: Vec::new(),
        test_children: Vec::new(),
        uses: Vec::new(),
        paths: Vec::new(),
    }
}

fn extent(span: Span) -> usize {
    span.end().line - span.start().line + 1
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item::*;
    match item {
        Const(item) => &item.attrs,
        Enum(item) => &item.attrs,
        Fn(item) => &item.attrs,
        Impl(item) => &item.attrs,
        Macro(item) => &item.attrs,
        Mod(item) => &item.attrs,
        Static(item) => &item.attrs,
        Struct(item) => &item.attrs,
        Trait(item) => &item.attrs,
        Type(item) => &item.attrs,
        Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined(item: &syn::Item) -> Option<String> {
    use syn::Item::*;
    let name = match item {
        Const(item) => &item.ident,
        Enum(item) => &item.ident,
        Fn(item) => &item.sig.ident,
        Macro(item) => item.ident.as_ref()?,
        Mod(item) => &item.ident,
        Static(item) => &item.ident,
        Struct(item) => &item.ident,
        Trait(item) => &item.ident,
        Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

struct Collector {
    file: SourceFile,
    /// Index of the module that is walked.
    current: usize,
    /// Whether a literal met now is one that something is compared with.
    compared: bool,
    /// The call whose arguments are walked.
    argument_of: Option<String>,
}

impl Collector {
    fn module(&mut self) -> &mut Module {
        &mut self.file.modules[self.current]
    }

    fn in_comparison(&mut self, walk: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.compared, true);
        walk(self);
        self.compared = before;
    }

    fn in_call(&mut self, name: String, walk: impl FnOnce(&mut Self)) {
        let before = self.argument_of.replace(name);
        walk(self);
        self.argument_of = before;
    }

    fn literal(&mut self, text: String, line: usize, compared: bool) {
        let argument_of = self.argument_of.clone();
        self.file.literals.push(Literal { text, line, compared, argument_of });
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (start, end) = (signature.span().start().line, block.span().end().line);
        let name = signature.ident.to_string();
        self.file.functions.push(Function { name, lines: end - start + 1 });
    }

    fn use_tree(&mut self, tree: &syn::UseTree, mut path: Vec<String>, public: bool) {
        let line = tree.span().start().line;
        let mut leaf = |path: Vec<String>, name: Option<String>| {
            self.file.modules[self.current].uses.push(Use { path, name, public, line });
        };
        match tree {
            syn::UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.use_tree(&step.tree, path, public);
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = path.last().cloned();
                leaf(path, last);
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                leaf(path, Some(name.ident.to_string()));
            }
            syn::UseTree::Rename(name) => {
                path.push(name.ident.to_string());
                leaf(path, Some(name.rename.to_string()));
            }
            syn::UseTree::Glob(_) => leaf(path, None),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, path.clone(), public);
                }
            }
        }
    }

    /// Paths and literals of a macro's arguments, which are tokens to the parser.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let punctuation = |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == wanted);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    let compared = self.compared
                        || at >= 2
                            && punctuation(at - 1, '=')
                            && (punctuation(at - 2, '=') || punctuation(at - 2, '!'));
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        let line = literal.span().start().line;
                        self.literal(text.value(), line, compared);
                    }
                }
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while punctuation(at + 1, ':') && punctuation(at + 2, ':') {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                        path.push(next.to_string());
                        at += 3;
                    }
                    let line = first.span().start().line;
                    self.module().paths.push((path, line));
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(attributes(item)) {
            if let syn::Item::Mod(item) = item {
                self.module().test_children.push(item.ident.to_string());
            }
            return;
        }
        if let Some(name) = defined(item) {
            self.module().items.push(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module().children.push(item.ident.to_string());
        let Some((_, items)) = &item.content else { return };
        let mut path = self.module().path.clone();
        path.push(item.ident.to_string());
        self.file.modules.push(module(path));
        let outer = std::mem::replace(&mut self.current, self.file.modules.len() - 1);
        items.iter().for_each(|item| self.visit_item(item));
        self.current = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, Vec::new(), !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("derive") {
            let syn::Meta::List(list) = &attribute.meta else { return };
            for token in list.tokens.clone() {
                if let TokenTree::Ident(name) = token {
                    let line = name.span().start().line;
                    self.file.derives.push(Named { name: name.to_string(), line });
                }
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.span().start().line;
        self.module().paths.push((names, line));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let line = call.span().start().line;
        self.file.macros.push(Named { name: name.clone(), line });
        match name.as_str() {
            "matches" => self.in_comparison(|this| this.tokens(call.tokens.clone())),
            _ => self.tokens(call.tokens.clone()),
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.literal(literal.value(), literal.span().start().line, self.compared);
    }

    fn visit_pat(&mut self, pattern: &'ast syn::Pat) {
        self.in_comparison(|this| visit::visit_pat(this, pattern));
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_)) {
            self.in_comparison(|this| visit::visit_expr_binary(this, binary));
        } else {
            visit::visit_expr_binary(self, binary);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.visit_expr(&call.func);
        let name = match &*call.func {
            syn::Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.in_call(name.unwrap_or_default(), |this| {
            call.args.iter().for_each(|argument| this.visit_expr(argument))
        });
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "contains" {
            self.in_comparison(|this| this.visit_expr(&call.receiver));
        } else {
            self.visit_expr(&call.receiver);
        }
        let name = call.method.to_string();
        self.in_call(name, |this| call.args.iter().for_each(|argument| this.visit_expr(argument)));
    }
}
