//! A look at every page of an environment before LMDB maps it.
//!
//! LMDB trusts its file: a page that is cut off, or whose numbers a disk has changed, ends the process with a signal, at the
//! start or at some client's handshake. So a start first walks the trees of the last commit as plain bytes, and refuses what
//! LMDB could not follow. So does a running store when another program has written into the file. It reads each page once, some hundred megabytes in a tenth of a second.
//!
//! ```text
//! page      number, 8 bytes │ pad, 2 │ kind, 2 │ end of the offsets, 2 │ begin of the nodes, 2 │ offsets of 2 bytes │ … nodes
//! overflow  number, 8 bytes │ pad, 2 │ kind, 2 │ number of pages, 4 │ data
//! node      low, 2 │ high, 2 │ flags, 2 │ length of the key, 2 │ key │ data       in a branch, the first three are a page's number
//! tree      pad, 4 │ flags, 2 │ depth, 2 │ three numbers of pages, 8 each │ entries, 8 │ root, 8
//! meta      page │ magic, 4 │ version, 4 │ address, 8 │ size of the map, 8 │ free tree │ main tree │ last page, 8 │ commit, 8
//! ```

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use super::record;

/// The file with the records, in the environment's folder.
pub(super) const DATA: &str = "data.mdb";

const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;
const PAGE_HEADER: usize = 16;
const NODE_HEADER: usize = 8;
const TREE: usize = 48;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;
/// The bits that tell what a page is; others are notes of a transaction.
const KINDS: u16 = 0x7f & !0x10;

const BIG_DATA: u16 = 0x01;
const SUB_TREE: u16 = 0x02;

/// The flag of the tree of free pages: its keys are numbers.
const INTEGER_KEYS: u16 = 0x08;

/// LMDB's own bounds.
const MAX_DEPTH: u16 = 32;
const MAX_KEY: usize = 511;

/// The names of the tables.
const TABLES: [&[u8]; 4] = [b"meta", b"records", b"expiry", b"ranks"];

/// Why LMDB could not use an environment, or the store must not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsound {
    #[error("{DATA} cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("{DATA} is empty; remove it to begin with an empty store")]
    Empty,
    #[error("{DATA} is no LMDB environment of this platform")]
    Foreign,
    #[error(
        "{DATA} has a table that is not this store's: it is of another program or of a later version, so choose another folder"
    )]
    OtherTable,
    #[error("page {page} of {DATA} is damaged: {what}")]
    Page { page: u64, what: &'static str },
}

type Checked<T = ()> = Result<T, Unsound>;

/// Looks at every page of the environment in a folder. One that does not exist yet is sound.
pub(super) fn check(folder: &Path) -> Checked {
    let file = match File::open(folder.join(DATA)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    check_file(&file)
}

/// Looks at every page of an environment.
pub(super) fn check_file(file: &File) -> Checked {
    // LMDB writes its numbers as the machine has them. Elsewhere it goes on without this look.
    if cfg!(not(target_pointer_width = "64")) {
        return Ok(());
    }
    if file.metadata()?.len() == 0 {
        return Err(Unsound::Empty);
    }
    Walk::begin(file)?.all()
}

/// The number of the last commit, if the meta pages can be read.
pub(super) fn last_commit(file: &File) -> Option<u64> {
    if cfg!(not(target_pointer_width = "64")) {
        return None;
    }
    Some(Walk::metas(file).ok()?.0.commit)
}

/// A tree, as its parent or a meta page describes it.
#[derive(Debug, Clone, Copy)]
struct Tree {
    flags: u16,
    depth: u16,
    root: u64,
}

/// What a tree's leaves hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Lists of free pages.
    Free,
    /// Other trees.
    Trees,
    /// Records by ID.
    Records,
    /// Keys, and values that say nothing more.
    Keys,
}

#[derive(Debug)]
struct Walk<'a> {
    file: &'a File,
    page_size: usize,
    /// How many pages the file has.
    pages: u64,
    last_page: u64,
    free: Tree,
    main: Tree,
    /// Which pages have been met: each may be used once.
    met: Vec<bool>,
}

impl<'a> Walk<'a> {
    fn begin(file: &'a File) -> Checked<Self> {
        let (Meta { free, main, last_page, .. }, page_size) = Self::metas(file)?;
        let pages = file.metadata()?.len() / page_size as u64;
        let mut met = vec![false; usize::try_from(pages).unwrap_or_default()];
        met.iter_mut().take(2).for_each(|met| *met = true);
        Ok(Self { file, page_size, pages, last_page, free, main, met })
    }

    /// Reads the meta pages: the one of the last commit, and the size of a page.
    fn metas(file: &File) -> Checked<(Meta, usize)> {
        let mut first = [0; 152];
        file.read_exact_at(&mut first, 0).map_err(|_| Unsound::Foreign)?;
        let page_size = number::<4>(&first, 40).map(u32::from_ne_bytes).unwrap_or_default() as usize;
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return Err(Unsound::Foreign);
        }
        let mut second = [0; 152];
        file.read_exact_at(&mut second, page_size as u64).map_err(|_| Unsound::Foreign)?;
        let metas = [(0, first), (1, second)].map(|(page, bytes)| Meta::read(page, &bytes, page_size));
        let [first, second] = metas;
        let (first, second) = (first?, second?);
        Ok((if first.commit >= second.commit { first } else { second }, page_size))
    }

    fn all(mut self) -> Checked {
        let (main, free) = (self.main, self.free);
        self.tree(main, Content::Trees)?;
        self.tree(free, Content::Free)
    }

    fn tree(&mut self, tree: Tree, content: Content) -> Checked {
        if tree.root == u64::MAX {
            return Ok(());
        }
        if !(1..=MAX_DEPTH).contains(&tree.depth) {
            return Err(Unsound::Page { page: tree.root, what: "its tree has an impossible depth" });
        }
        self.branch_or_leaf(tree.root, tree.depth, content)
    }

    /// Reads a page that is used once.
    fn read(&mut self, page: u64) -> Checked<Vec<u8>> {
        let damaged = |what| Unsound::Page { page, what };
        if page >= self.pages || page > self.last_page {
            return Err(damaged("it lies behind the end of the file, which was cut"));
        }
        self.meet(page)?;
        let mut bytes = vec![0; self.page_size];
        self.file.read_exact_at(&mut bytes, page * self.page_size as u64)?;
        if number(&bytes, 0).map(u64::from_ne_bytes) == Some(page) {
            Ok(bytes)
        } else {
            Err(damaged("it has another page's number"))
        }
    }

    fn meet(&mut self, page: u64) -> Checked {
        // Free pages at the end need not be in the file.
        let met = usize::try_from(page).ok().and_then(|page| self.met.get_mut(page));
        if met.is_some_and(|met| std::mem::replace(met, true)) {
            return Err(Unsound::Page { page, what: "it is used twice" });
        }
        Ok(())
    }

    fn branch_or_leaf(&mut self, page: u64, levels: u16, content: Content) -> Checked {
        let damaged = |what| Unsound::Page { page, what };
        let bytes = self.read(page)?;
        let kind = short(&bytes, 10).unwrap_or_default() & KINDS;
        if kind != if levels == 1 { LEAF } else { BRANCH } {
            return Err(damaged("it is of another kind than its place in the tree"));
        }
        let (offsets, nodes) = (
            usize::from(short(&bytes, 12).unwrap_or_default()),
            usize::from(short(&bytes, 14).unwrap_or_default()),
        );
        if offsets < PAGE_HEADER || offsets % 2 != 0 || offsets > nodes || nodes > bytes.len() {
            return Err(damaged("its bounds are impossible"));
        }
        if offsets == PAGE_HEADER {
            return Err(damaged("it has no nodes"));
        }
        for at in (PAGE_HEADER..offsets).step_by(2) {
            let begin = usize::from(short(&bytes, at).unwrap_or_default());
            let node = bytes.get(begin..).filter(|node| begin >= nodes && node.len() >= NODE_HEADER);
            let node = node.ok_or_else(|| damaged("a node lies outside of it"))?;
            self.node(page, node, levels, content)?;
        }
        Ok(())
    }

    fn node(&mut self, page: u64, node: &[u8], levels: u16, content: Content) -> Checked {
        let damaged = |what| Unsound::Page { page, what };
        let field = |at| short(node, at).unwrap_or_default();
        let (low, high, flags, key_length) = (field(0), field(2), field(4), usize::from(field(6)));
        let key = node.get(NODE_HEADER..NODE_HEADER + key_length).filter(|key| key.len() <= MAX_KEY);
        let key = key.ok_or_else(|| damaged("a key lies outside of it"))?;
        let size = u32::from(high) << 16 | u32::from(low);
        if levels > 1 {
            return self.branch_or_leaf(u64::from(flags) << 32 | u64::from(size), levels - 1, content);
        }
        if content == Content::Trees && !TABLES.contains(&key) {
            return Err(Unsound::OtherTable);
        }
        let rest = node.get(NODE_HEADER + key_length..).unwrap_or_default();
        let outside = || damaged("a value lies outside of it");
        let size = size as usize;
        match flags {
            0 => self.value(page, key, rest.get(..size).ok_or_else(outside)?, content),
            BIG_DATA => {
                let at = number(rest, 0).map(u64::from_ne_bytes).ok_or_else(outside)?;
                let data = self.overflow(at, size)?;
                self.value(page, key, &data, content)
            }
            SUB_TREE if content == Content::Trees && size == TREE => {
                let tree = Tree::read(rest.get(..size).ok_or_else(outside)?);
                if tree.flags != 0 {
                    return Err(damaged("a table has impossible flags"));
                }
                self.tree(tree, if key == b"records" { Content::Records } else { Content::Keys })
            }
            _ => Err(damaged("a node has impossible flags")),
        }
    }

    /// Reads data that are longer than a page takes.
    fn overflow(&mut self, page: u64, size: usize) -> Checked<Vec<u8>> {
        let damaged = |what| Unsound::Page { page, what };
        let first = self.read(page)?;
        let needed = (PAGE_HEADER - 1 + size) as u64 / self.page_size as u64 + 1;
        let pages = number(&first, 12).map(u32::from_ne_bytes).map_or(0, u64::from);
        if short(&first, 10).unwrap_or_default() & KINDS != OVERFLOW || pages < needed {
            return Err(damaged("it is not what a long value needs"));
        }
        let end = page.checked_add(pages).filter(|end| *end <= self.last_page + 1);
        let end =
            end.ok_or_else(|| damaged("a long value lies behind the end of the file, which was cut"))?;
        for next in page + 1..end {
            if next >= self.pages && next < page + needed {
                return Err(damaged("a long value lies behind the end of the file, which was cut"));
            }
            self.meet(next)?;
        }
        let mut data = vec![0; size];
        self.file.read_exact_at(&mut data, page * self.page_size as u64 + PAGE_HEADER as u64)?;
        Ok(data)
    }

    fn value(&mut self, page: u64, key: &[u8], value: &[u8], content: Content) -> Checked {
        match content {
            Content::Free => self.free_pages(page, value),
            Content::Records if !record::is_sound(key, value) => {
                Err(Unsound::Page { page, what: "the checksum of a record is wrong" })
            }
            Content::Trees | Content::Records | Content::Keys => Ok(()),
        }
    }

    /// A list of free pages must name pages that nothing uses: LMDB would write over them.
    fn free_pages(&mut self, page: u64, list: &[u8]) -> Checked {
        let damaged = || Unsound::Page { page, what: "its list of free pages is impossible" };
        let mut numbers = list.chunks_exact(8).filter_map(|bytes| number(bytes, 0).map(u64::from_ne_bytes));
        let count = numbers.next().and_then(|count| usize::try_from(count).ok()).ok_or_else(damaged)?;
        if count > list.len() / 8 - 1 {
            return Err(damaged());
        }
        for free in numbers.take(count) {
            if free < 2 || free > self.last_page {
                return Err(damaged());
            }
            self.meet(free)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Meta {
    free: Tree,
    main: Tree,
    last_page: u64,
    commit: u64,
}

impl Meta {
    fn read(page: u64, bytes: &[u8], page_size: usize) -> Checked<Self> {
        let long = |at| number(bytes, at).map(u64::from_ne_bytes).unwrap_or_default();
        let word = |at| number(bytes, at).map(u32::from_ne_bytes).unwrap_or_default();
        if short(bytes, 10).unwrap_or_default() & KINDS != META || word(16) != MAGIC || word(20) != VERSION {
            return Err(Unsound::Foreign);
        }
        let tree = |at: usize| Tree::read(bytes.get(at..at + TREE).unwrap_or_default());
        let (free, main) = (tree(40), tree(88));
        if word(40) as usize != page_size
            || long(24) != 0
            || free.flags != INTEGER_KEYS
            || main.flags != 0
            || long(136) < 1
        {
            return Err(Unsound::Page { page, what: "what it says of the environment is impossible" });
        }
        Ok(Self { free, main, last_page: long(136), commit: long(144) })
    }
}

impl Tree {
    fn read(bytes: &[u8]) -> Self {
        Self {
            flags: short(bytes, 4).unwrap_or_default(),
            depth: short(bytes, 6).unwrap_or_default(),
            root: number(bytes, 40).map_or(0, u64::from_ne_bytes),
        }
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    number(bytes, at).map(u16::from_ne_bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests;
