//! What the catalogs say of the tables that a command is about to work on, before it begins.
//!
//! Nothing here waits for a lock of the command's tables, or opens them: a lock taken here and again, stronger, by the
//! command could be a deadlock; and a REINDEX must come through where a file is damaged. So rows of pg_class and
//! pg_index are read, under the catalogs' own locks, and sizes are those of the files. What does not exist is left out:
//! the command says so itself. All is read with the server's catalog snapshot, which is given back: a CREATE INDEX
//! CONCURRENTLY does not find one of its own.

use super::command_statement::{Below, Followed, Named, Subject};
use super::error::Result;
use super::guard::guard;
use super::sys;
use logic::estimate::utility::facts::{Facts, Index, Kind, Method, Table};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

const BLOCK: u64 = sys::BLCKSZ as u64;
/// A file has a limited size: more of the relation is in the next one.
const SEGMENT: u64 = sys::RELSEG_SIZE as u64 * BLOCK;

/// A row of pg_class.
#[derive(Clone, Copy)]
struct Class {
    oid: u32,
    namespace: u32,
    kind: u8,
    is_temporary: bool,
    is_shared: bool,
    pages: i32,
    rows: f32,
    columns: i16,
    has_children: bool,
    toast: u32,
    method: u32,
    tablespace: u32,
    /// 0: its place is kept elsewhere.
    file: u32,
}

/// A row of pg_index.
#[derive(Clone, Copy)]
struct IndexRow {
    oid: u32,
    table: u32,
    is_valid: bool,
    is_clustered: bool,
    is_exclusion: bool,
}

/// The facts of a command. In a transaction.
pub fn read(followed: &Followed, command: &'static str) -> Result<Facts> {
    let kind = followed.kind;
    let mut reader = Reader { kind, folder: None };
    let tables = match &followed.subject {
        Subject::None => Vec::new(),
        Subject::Tables(names) => reader.named(names)?,
        Subject::Index(name) => reader.of_index(*name)?,
        Subject::Schema(name) => match namespace(name)? {
            Some(namespace) => reader.all(|class, _| class.namespace == namespace)?,
            None => Vec::new(),
        },
        Subject::Catalogs => reader.all(|class, _| class.namespace == sys::PG_CATALOG_NAMESPACE)?,
        Subject::AllButCatalogs => reader.all(|class, _| class.namespace != sys::PG_CATALOG_NAMESPACE)?,
        Subject::Clustered => reader.all(|_, indexes| indexes.iter().any(|index| index.is_clustered))?,
        Subject::All => reader.all(|_, _| true)?,
    };
    if !matches!(followed.subject, Subject::None) {
        // SAFETY: inside a transaction; only the catalog snapshot is given back, if it is no longer in use.
        guard(|| unsafe { sys::InvalidateCatalogSnapshot() })?;
    }
    // SAFETY: reads a variable.
    let statistics_target = unsafe { sys::default_statistics_target }.max(0) as u32;
    Ok(Facts { kind, command, tables, statistics_target })
}

struct Reader {
    kind: Kind,
    /// The folder of the files of a database in a tablespace, of the last relation.
    folder: Option<(u32, u32, PathBuf)>,
}

impl Reader {
    fn named(&mut self, names: &[Named]) -> Result<Vec<Table>> {
        let mut tables = Vec::new();
        for name in names {
            let Some(class) = named(*name)?.map(class).transpose()?.flatten() else { continue };
            self.add(class, &mut tables)?;
            let descends = match name.below {
                Below::Nothing => false,
                Below::Partitions => class.kind == sys::RELKIND_PARTITIONED_TABLE,
                Below::Children => class.has_children,
            };
            if descends {
                for oid in descendants(class.oid)?.into_iter().filter(|oid| *oid != class.oid) {
                    if let Some(child) = self::class(oid)? {
                        self.add(child, &mut tables)?;
                    }
                }
            }
        }
        Ok(tables)
    }

    /// The table, and where the command works on it by itself, its TOAST table.
    fn add(&mut self, class: Class, tables: &mut Vec<Table>) -> Result<()> {
        let table = self.with_indexes(class)?;
        let toast = if class.toast == 0 { None } else { self::class(class.toast)? };
        match (self.kind, toast) {
            (Kind::Vacuum { .. } | Kind::Reindex, Some(toast)) => {
                let toast = Table { is_toast: true, ..self.with_indexes(toast)? };
                tables.extend([table, toast]);
            }
            (Kind::ReindexConcurrently, Some(toast)) => tables.push(with_toast(table, self.with_indexes(toast)?)),
            _ => tables.push(table),
        }
        Ok(())
    }

    fn with_indexes(&mut self, class: Class) -> Result<Table> {
        let mut table = self.table(class);
        let (rows, mut indexes) = (indexes_of(class.oid)?, Vec::new());
        for row in &rows {
            indexes.extend(self::class(row.oid)?.filter(|_| self.works_on(row)));
        }
        self.put_indexes(&mut table, indexes);
        Ok(table)
    }

    fn put_indexes(&mut self, table: &mut Table, mut indexes: Vec<Class>) {
        indexes.sort_by_key(|class| class.oid);
        table.indexes = indexes.into_iter().map(|class| self.index(class, table.pages)).collect();
    }

    /// REINDEX CONCURRENTLY passes by what it cannot rebuild.
    fn works_on(&self, row: &IndexRow) -> bool {
        self.kind != Kind::ReindexConcurrently || (row.is_valid && !row.is_exclusion)
    }

    fn of_index(&mut self, name: Named) -> Result<Vec<Table>> {
        let Some(oid) = named(name)? else { return Ok(Vec::new()) };
        let mut tables: Vec<Table> = Vec::new();
        // of a partitioned index, those of the partitions
        for oid in descendants(oid)? {
            let Some(class) = class(oid)?.filter(|class| class.kind == sys::RELKIND_INDEX) else { continue };
            let Some(table) = table_of(oid)? else { continue };
            let pages = self.pages(class);
            let indexes = vec![self.index(class, pages)];
            tables.push(Table { oid: table, pages, indexes, ..Table::default() });
        }
        Ok(tables)
    }

    /// All tables of the database that the command works on: one pass over each catalog.
    fn all(&mut self, is_subject: impl Fn(&Class, &[IndexRow]) -> bool) -> Result<Vec<Table>> {
        let mut rows: HashMap<u32, Vec<IndexRow>> = HashMap::new();
        scan(sys::IndexRelationId, index_row, |row| rows.entry(row.table).or_default().push(row))?;
        let (mut classes, mut order) = (HashMap::new(), Vec::new());
        scan(sys::RelationRelationId, class_row, |class| {
            order.push(class.oid);
            classes.insert(class.oid, class);
        })?;
        let rows_of = |class: &Class| rows.get(&class.oid).map_or(&[][..], Vec::as_slice);
        let mut subjects = HashSet::new();
        for class in classes.values() {
            let is_kind = match class.kind {
                sys::RELKIND_RELATION | sys::RELKIND_MATVIEW => true,
                sys::RELKIND_PARTITIONED_TABLE => matches!(self.kind, Kind::Analyze | Kind::Vacuum { .. }),
                _ => false,
            };
            if is_kind && !class.is_temporary && is_subject(class, rows_of(class)) {
                subjects.insert(class.oid);
                // A TOAST table goes with its owner: as a part of it, or as one of its own.
                if !matches!(self.kind, Kind::Analyze | Kind::Rewrite { .. } | Kind::ReindexConcurrently) {
                    subjects.insert(class.toast);
                }
            }
        }
        let (kind, mut tables) = (self.kind, Vec::new());
        for class in order.iter().filter(|oid| subjects.contains(oid)).filter_map(|oid| classes.get(oid)) {
            let mut read = |class: &Class| {
                let mut table = self.table(*class);
                let rows = rows_of(class).iter().filter(|row| self.works_on(row));
                let indexes = rows.filter_map(|row| classes.get(&row.oid)).copied().collect();
                self.put_indexes(&mut table, indexes);
                table
            };
            let table = read(class);
            let toast = classes.get(&class.toast).filter(|_| kind == Kind::ReindexConcurrently).map(read);
            tables.push(match toast {
                Some(toast) => with_toast(table, toast),
                None => Table { is_toast: class.kind == sys::RELKIND_TOASTVALUE, ..table },
            });
        }
        Ok(tables)
    }

    fn table(&mut self, class: Class) -> Table {
        let pages = self.pages(class);
        let known = (class.rows >= 0.0).then_some(f64::from(class.rows));
        // as the planner does: as many on a page as when they were counted
        let rows = known.map(|rows| if class.pages > 0 { rows / f64::from(class.pages) * pages } else { rows });
        let columns = u32::try_from(class.columns).unwrap_or(1);
        Table { oid: class.oid, pages, rows, columns, has_children: class.has_children, ..Table::default() }
    }

    fn index(&mut self, class: Class, heap: f64) -> Index {
        Index { oid: class.oid, pages: self.pages(class), heap, method: Method::of(i64::from(class.method)) }
    }

    /// By the size of its files, or else as it was when it was last vacuumed, analyzed or indexed.
    fn pages(&mut self, class: Class) -> f64 {
        self.file_pages(class).unwrap_or(f64::from(class.pages.max(0)))
    }

    fn file_pages(&mut self, class: Class) -> Option<f64> {
        // partitioned ones have no file; that of a temporary table has a name of its own
        if class.file == 0 || class.is_temporary {
            return None;
        }
        // SAFETY: reads variables.
        let (database, own) = unsafe { (sys::MyDatabaseId, sys::MyDatabaseTableSpace) };
        let database = if class.is_shared { 0 } else { database };
        let tablespace = if class.tablespace == 0 { own } else { class.tablespace };
        if self.folder.as_ref().is_none_or(|(of, within, _)| (*of, *within) != (database, tablespace)) {
            // SAFETY: a path in the server's memory.
            let path = guard(|| unsafe { sys::GetDatabasePath(database, tablespace) }).ok()?;
            // SAFETY: a C string.
            let path = OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()).into();
            self.folder = Some((database, tablespace, path));
        }
        let (_, _, folder) = self.folder.as_ref()?;
        let mut size = fs::metadata(folder.join(class.file.to_string())).ok()?.len();
        let mut segment = 0;
        let mut last = size;
        while last >= SEGMENT {
            segment += 1;
            last = fs::metadata(folder.join(format!("{}.{segment}", class.file))).map_or(0, |file| file.len());
            size += last;
        }
        u32::try_from(size / BLOCK).ok().map(f64::from)
    }
}

/// A table with the indexes of its TOAST table, where both are one part of the command.
fn with_toast(mut table: Table, toast: Table) -> Table {
    table.indexes.extend(toast.indexes);
    Table { toast: toast.oid, ..table }
}

fn named(name: Named) -> Result<Option<u32>> {
    let oid = match (name.oid(), name.name()) {
        (0, Some(range)) => guard(|| {
            let missing_ok: sys::RVROption = sys::RVROption_RVR_MISSING_OK;
            // SAFETY: a node of the parse tree. No lock, no error for what is missing.
            unsafe { sys::RangeVarGetRelidExtended(range, sys::NoLock as i32, missing_ok, None, ptr::null_mut()) }
        })?,
        (oid, _) => oid,
    };
    Ok((oid != 0).then_some(oid))
}

fn namespace(name: &CStr) -> Result<Option<u32>> {
    let name = name.as_ptr();
    // SAFETY: a C string. No error for what is missing, nor for want of a privilege.
    let oid = guard(|| unsafe {
        sys::GetSysCacheOid(
            sys::SysCacheIdentifier_NAMESPACENAME as i32,
            sys::Anum_pg_namespace_oid as i16,
            name as sys::Datum,
            0,
            0,
            0,
        )
    })?;
    Ok((oid != 0).then_some(oid))
}

/// The relation itself, and its partitions or children of any level.
fn descendants(oid: u32) -> Result<Vec<u32>> {
    // SAFETY: reads pg_inherits, without locks of the relations.
    let list = guard(|| unsafe { sys::find_all_inheritors(oid, sys::NoLock as i32, ptr::null_mut()) })?;
    // SAFETY: a list of OIDs.
    Ok(unsafe { super::parse_tree::cells(list) }.iter().map(|cell| unsafe { cell.oid_value }).collect())
}

fn class(oid: u32) -> Result<Option<Class>> {
    cached(sys::SysCacheIdentifier_RELOID, oid, class_row)
}

fn table_of(index: u32) -> Result<Option<u32>> {
    Ok(cached(sys::SysCacheIdentifier_INDEXRELID, index, index_row)?.map(|row| row.table))
}

/// A row of a catalog, by OID. `read` may not throw.
fn cached<T, R: Copy>(cache: sys::SysCacheIdentifier, oid: u32, read: unsafe fn(&T) -> R) -> Result<Option<R>> {
    // SAFETY: the cache's tuple, pinned until it is released; `read` is of the same catalog.
    guard(|| unsafe {
        let tuple = sys::SearchSysCache1(cache as i32, oid as sys::Datum);
        if tuple.is_null() {
            return None;
        }
        let row = read(row(tuple));
        sys::ReleaseSysCache(tuple);
        Some(row)
    })
}

/// # Safety
/// A tuple of the catalog that `T` describes.
unsafe fn row<'a, T>(tuple: sys::HeapTuple) -> &'a T {
    // SAFETY: promised by the caller; the row starts at t_hoff.
    unsafe {
        let header = (*tuple).t_data;
        &*header.byte_add(usize::from((*header).t_hoff)).cast()
    }
}

unsafe fn class_row(class: &sys::FormData_pg_class) -> Class {
    Class {
        oid: class.oid,
        namespace: class.relnamespace,
        kind: class.relkind as u8,
        is_temporary: class.relpersistence as u8 == sys::RELPERSISTENCE_TEMP,
        is_shared: class.relisshared,
        pages: class.relpages,
        rows: class.reltuples,
        columns: class.relnatts,
        has_children: class.relhassubclass,
        toast: class.reltoastrelid,
        method: class.relam,
        tablespace: class.reltablespace,
        file: class.relfilenode,
    }
}

unsafe fn index_row(index: &sys::FormData_pg_index) -> IndexRow {
    IndexRow {
        oid: index.indexrelid,
        table: index.indrelid,
        is_valid: index.indisvalid,
        is_clustered: index.indisclustered,
        is_exclusion: index.indisexclusion,
    }
}

fn indexes_of(table: u32) -> Result<Vec<IndexRow>> {
    let mut rows = Vec::new();
    scan_by(sys::IndexRelationId, Some(table), index_row, |row| rows.push(row))?;
    Ok(rows)
}

fn scan<T, R: Copy>(catalog: u32, read: unsafe fn(&T) -> R, each: impl FnMut(R)) -> Result<()> {
    scan_by(catalog, None, read, each)
}

/// All rows of a catalog, or those of pg_index for one table. An error ends the command, and so the scan.
fn scan_by<T, R: Copy>(
    catalog: u32,
    table: Option<u32>,
    read: unsafe fn(&T) -> R,
    mut each: impl FnMut(R),
) -> Result<()> {
    let mut key = std::mem::MaybeUninit::<sys::ScanKeyData>::zeroed();
    let key = key.as_mut_ptr();
    let lock = sys::AccessShareLock as i32;
    // SAFETY: catalogs that are there; a key of one of their columns, which outlives the scan.
    let (relation, scan) = guard(|| unsafe {
        let relation = sys::table_open(catalog, lock);
        let (index, keys) = match table {
            Some(table) => {
                let column = sys::Anum_pg_index_indrelid as i16;
                let (strategy, equals) = (sys::BTEqualStrategyNumber as u16, sys::F_OIDEQ);
                sys::ScanKeyInit(key, column, strategy, equals, table as sys::Datum);
                (sys::IndexIndrelidIndexId, 1)
            }
            None => (0, 0),
        };
        (relation, sys::systable_beginscan(relation, index, index != 0, ptr::null_mut(), keys, key))
    })?;
    loop {
        // SAFETY: the scan goes on; its tuple is there until the next call.
        let tuple = guard(|| unsafe { sys::systable_getnext(scan) })?;
        if tuple.is_null() {
            break;
        }
        // SAFETY: a tuple of the catalog that `read` is of, as the callers see to.
        each(unsafe { read(row(tuple)) });
    }
    // SAFETY: opened above.
    guard(|| unsafe {
        sys::systable_endscan(scan);
        sys::table_close(relation, lock);
    })
}
