//! What a type is, in words that another database of the cluster understands: there, types of users have other OIDs,
//! and a type of the same name need not be the same type.
//!
//! The worker describes a column's type so, and the launcher compares the description with its own type of that name.

use super::Malformed;
use super::bytes::{Reader, put_counted};
use super::columns::MAX_COLUMNS;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// Descriptions are no deeper than this: the server's own limit is that of its stack.
const MAX_DEPTH: u32 = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeTree {
    /// A type with the same OID in every database of the cluster.
    Shared(u32),
    /// The array type of that type, whatever its name.
    Array(Box<TypeTree>),
    /// A type that is known by its name.
    Named { schema: Vec<u8>, name: Vec<u8>, definition: Definition },
}

/// All that the text form of a type's values depends on. (Labels of an enum do not count: the text has them.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    Base,
    Enum,
    Domain(Box<TypeTree>),
    Range(Box<TypeTree>),
    Multirange(Box<TypeTree>),
    /// The columns that have not been dropped: names and types.
    Composite(Vec<(Vec<u8>, TypeTree)>),
}

impl TypeTree {
    /// Is it the type with this OID in every database?
    pub fn is(&self, type_id: u32) -> bool {
        *self == Self::Shared(type_id)
    }

    /// Is that shared type anywhere in it?
    pub fn has(&self, type_id: u32) -> bool {
        match self {
            Self::Shared(shared) => *shared == type_id,
            Self::Array(inner) => inner.has(type_id),
            Self::Named { definition, .. } => match definition {
                Definition::Base | Definition::Enum => false,
                Definition::Domain(inner) | Definition::Range(inner) | Definition::Multirange(inner) => {
                    inner.has(type_id)
                }
                Definition::Composite(columns) => columns.iter().any(|(_, tree)| tree.has(type_id)),
            },
        }
    }

    /// Does the input function of such a type run none but the server's code and that of superusers? Not where the type
    /// is made of domains, whose checks are anybody's, or of ranges, whose canonical function can be.
    pub fn is_inert(&self) -> bool {
        match self {
            Self::Shared(_) => true,
            Self::Array(element) => element.is_inert(),
            Self::Named { definition, .. } => match definition {
                Definition::Base | Definition::Enum => true,
                Definition::Domain(_) | Definition::Range(_) | Definition::Multirange(_) => false,
                Definition::Composite(columns) => columns.iter().all(|(_, tree)| tree.is_inert()),
            },
        }
    }

    /// The same with all names changed by `convert`.
    pub fn try_map<E>(self, convert: &mut impl FnMut(Vec<u8>) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        let mut inner = |tree: Box<Self>| -> Result<Box<Self>, E> { Ok(Box::new((*tree).try_map(convert)?)) };
        Ok(match self {
            Self::Shared(type_id) => Self::Shared(type_id),
            Self::Array(element) => Self::Array(inner(element)?),
            Self::Named { schema, name, definition } => {
                let definition = match definition {
                    Definition::Base => Definition::Base,
                    Definition::Enum => Definition::Enum,
                    Definition::Domain(base) => Definition::Domain(inner(base)?),
                    Definition::Range(subtype) => Definition::Range(inner(subtype)?),
                    Definition::Multirange(range) => Definition::Multirange(inner(range)?),
                    Definition::Composite(columns) => {
                        let mut converted = Vec::with_capacity(columns.len());
                        for (name, tree) in columns {
                            converted.push((convert(name)?, tree.try_map(convert)?));
                        }
                        Definition::Composite(converted)
                    }
                };
                Self::Named { schema: convert(schema)?, name: convert(name)?, definition }
            }
        })
    }

    /// Appends the description.
    pub fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Shared(type_id) => {
                to.push(b's');
                to.extend_from_slice(&type_id.to_ne_bytes());
            }
            Self::Array(element) => {
                to.push(b'a');
                element.encode(to);
            }
            Self::Named { schema, name, definition } => {
                to.push(b'n');
                put_counted(to, schema);
                put_counted(to, name);
                definition.encode(to);
            }
        }
    }

    /// The description in `bytes`, which must have nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader::new(bytes);
        let tree = Self::read(&mut from, 0)?;
        if from.is_empty() { Ok(tree) } else { Err(Malformed("bytes after the description of a type")) }
    }

    fn read(from: &mut Reader, depth: u32) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(Malformed("the description of a type is too deep"));
        }
        Ok(match from.u8()? {
            b's' => Self::Shared(from.u32()?),
            b'a' => Self::Array(Box::new(Self::read(from, depth + 1)?)),
            b'n' => Self::Named {
                schema: from.counted()?.to_vec(),
                name: from.counted()?.to_vec(),
                definition: Definition::read(from, depth)?,
            },
            _ => return Err(Malformed("a type has an unknown description")),
        })
    }
}

impl Definition {
    fn encode(&self, to: &mut Vec<u8>) {
        let (kind, inner) = match self {
            Self::Base => (b'b', None),
            Self::Enum => (b'e', None),
            Self::Domain(base) => (b'd', Some(base)),
            Self::Range(subtype) => (b'r', Some(subtype)),
            Self::Multirange(range) => (b'm', Some(range)),
            Self::Composite(columns) => {
                to.push(b'c');
                to.extend_from_slice(&(columns.len() as u32).to_ne_bytes());
                for (name, tree) in columns {
                    put_counted(to, name);
                    tree.encode(to);
                }
                return;
            }
        };
        to.push(kind);
        if let Some(inner) = inner {
            inner.encode(to);
        }
    }

    fn read(from: &mut Reader, depth: u32) -> Result<Self> {
        let inner = |from: &mut Reader| TypeTree::read(from, depth + 1).map(Box::new);
        Ok(match from.u8()? {
            b'b' => Self::Base,
            b'e' => Self::Enum,
            b'd' => Self::Domain(inner(from)?),
            b'r' => Self::Range(inner(from)?),
            b'm' => Self::Multirange(inner(from)?),
            b'c' => {
                let count = from.u32()?;
                if count > MAX_COLUMNS {
                    return Err(Malformed("a row type has too many columns"));
                }
                let mut columns = Vec::new();
                for _ in 0..count {
                    columns.push((from.counted()?.to_vec(), TypeTree::read(from, depth + 1)?));
                }
                Self::Composite(columns)
            }
            _ => return Err(Malformed("a type has an unknown definition")),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn any_tree() -> impl Strategy<Value = TypeTree> {
        let named = |definition| {
            ("[a-z]{0,8}", "[a-z]{0,8}").prop_map(move |(schema, name)| TypeTree::Named {
                schema: schema.into_bytes(),
                name: name.into_bytes(),
                definition: Definition::clone(&definition),
            })
        };
        let leaf = prop_oneof![
            any::<u32>().prop_map(TypeTree::Shared),
            prop_oneof![Just(Definition::Base), Just(Definition::Enum)].prop_flat_map(named),
        ];
        leaf.prop_recursive(4, 20, 4, move |inner| {
            let column = ("[a-z]{0,8}", inner.clone()).prop_map(|(name, tree)| (name.into_bytes(), tree));
            prop_oneof![
                inner.clone().prop_map(|tree| TypeTree::Array(Box::new(tree))),
                inner.clone().prop_map(|tree| Definition::Domain(Box::new(tree))).prop_flat_map(named),
                inner.clone().prop_map(|tree| Definition::Range(Box::new(tree))).prop_flat_map(named),
                inner.prop_map(|tree| Definition::Multirange(Box::new(tree))).prop_flat_map(named),
                proptest::collection::vec(column, 0..4).prop_map(Definition::Composite).prop_flat_map(named),
            ]
        })
    }

    #[test]
    fn refuses_what_is_too_deep() {
        let deep = |n| [vec![b'a'; n], vec![b's', 0, 0, 0, 0]].concat();
        assert!(TypeTree::decode(&deep(MAX_DEPTH as usize)).is_ok());
        assert!(TypeTree::decode(&deep(MAX_DEPTH as usize + 1)).is_err());
    }

    #[test]
    fn knows_whose_code_is_run() {
        let named = |definition| TypeTree::Named { schema: b"a".to_vec(), name: b"b".to_vec(), definition };
        let number = || Box::new(TypeTree::Shared(23));
        let domain = || named(Definition::Domain(number()));
        let row =
            |tree| named(Definition::Composite(vec![(b"c".to_vec(), TypeTree::Shared(25)), (b"d".to_vec(), tree)]));
        let label = named(Definition::Enum);
        for inert in [*number(), label.clone(), TypeTree::Array(Box::new(label.clone())), row(label)] {
            assert!(inert.is_inert(), "{inert:?}");
        }
        let range = named(Definition::Range(number()));
        let multirange = named(Definition::Multirange(Box::new(range.clone())));
        for other in [domain(), range, multirange, TypeTree::Array(Box::new(domain())), row(domain())] {
            assert!(!other.is_inert(), "{other:?}");
        }
    }

    #[test]
    fn changes_all_names() {
        let inner = TypeTree::Named { schema: b"a".to_vec(), name: b"b".to_vec(), definition: Definition::Enum };
        let columns = vec![(b"c".to_vec(), TypeTree::Array(Box::new(inner))), (b"d".to_vec(), TypeTree::Shared(23))];
        let tree =
            TypeTree::Named { schema: b"e".to_vec(), name: b"f".to_vec(), definition: Definition::Composite(columns) };
        let mut seen = Vec::new();
        let same = tree.clone().try_map(&mut |name| {
            seen.extend_from_slice(&name);
            Ok::<_, ()>(name)
        });
        seen.sort_unstable();
        assert_eq!((same, seen), (Ok(tree.clone()), b"abcdef".to_vec()));
        assert!(tree.has(23) && !tree.has(24));
        assert_eq!(tree.try_map(&mut |_| Err(1)), Err(1));
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(tree in any_tree()) {
            let mut bytes = Vec::new();
            tree.encode(&mut bytes);
            prop_assert_eq!(TypeTree::decode(&bytes), Ok(tree));
            bytes.push(0);
            prop_assert!(TypeTree::decode(&bytes).is_err());
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = TypeTree::decode(&bytes);
        }
    }
}
