/*
 * types.c: what values of a type are made of.
 */
#include "shim.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/*
 * Can a column be of the type?  Not if there is a pseudo-type anywhere in it:
 * the server then refuses it, as it does in CheckAttributeType.  The row types
 * in it are added to the list.
 */
bool
pgbg_examine_type(Oid type_id, List **row_types)
{
	HeapTuple	tuple;
	Form_pg_type type;
	char		kind;
	Oid			inside;
	TupleDesc	desc;
	bool		whole = true;

	check_stack_depth();
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type_id));
	/* of a column that was dropped with its type, say */
	if (!HeapTupleIsValid(tuple))
		return true;
	type = (Form_pg_type) GETSTRUCT(tuple);
	kind = type->typtype;
	inside = kind == TYPTYPE_DOMAIN ? type->typbasetype : IsTrueArrayType(type) ? type->typelem : InvalidOid;
	ReleaseSysCache(tuple);

	switch (kind)
	{
		case TYPTYPE_PSEUDO:
			return false;
		case TYPTYPE_RANGE:
			inside = get_range_subtype(type_id);
			break;
		case TYPTYPE_MULTIRANGE:
			inside = get_multirange_range(type_id);
			break;
		case TYPTYPE_COMPOSITE:
			if (list_member_oid(*row_types, type_id))
				return true;
			*row_types = lappend_oid(*row_types, type_id);
			desc = lookup_rowtype_tupdesc(type_id, -1);
			for (int i = 0; i < desc->natts && whole; i++)
			{
				Form_pg_attribute att = TupleDescAttr(desc, i);

				if (!att->attisdropped)
					whole = pgbg_examine_type(att->atttypid, row_types);
			}
			ReleaseTupleDesc(desc);
			return whole;
		default:
			break;
	}
	return !OidIsValid(inside) || pgbg_examine_type(inside, row_types);
}

/* Of the first attributes, all that it takes to find one's way in a stored row. */
static uint64
shape_of(TupleDesc desc, int natts)
{
	uint64		shape = natts;

	for (int i = 0; i < natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		/* also of a dropped one, whose values are still there */
		int32		part[] = {
			att->attisdropped ? InvalidOid : att->atttypid,
			att->attlen, att->attalign, att->attbyval
		};

		shape = hash_bytes_extended((const unsigned char *) part, sizeof(part), shape);
	}
	return shape;
}

/* The shape of a row type, and the number of its attributes. */
uint64
pgbg_row_type_shape(Oid type_id, int *natts)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(type_id, -1);
	uint64		shape = shape_of(desc, desc->natts);

	*natts = desc->natts;
	ReleaseTupleDesc(desc);
	return shape;
}

/*
 * The shape of a row type's first attributes as they are now; until this
 * transaction ends they stay so.  False when they are not there.  (A value
 * that lacks the last ones is fine: they have been added since.)
 */
bool
pgbg_hold_row_type(Oid type_id, int natts, uint64 *shape)
{
	Oid			relation = get_typ_typrelid(type_id);
	TupleDesc	desc;
	bool		all;

	if (!OidIsValid(relation))
		return false;
	/* what ALTER TABLE and ALTER TYPE wait for; afterwards the caches know what others did */
	LockRelationOid(relation, AccessShareLock);
	if (get_typ_typrelid(type_id) != relation)
		return false;
	desc = lookup_rowtype_tupdesc(type_id, -1);
	all = desc->natts >= natts;
	if (all)
		*shape = shape_of(desc, natts);
	ReleaseTupleDesc(desc);
	return all;
}
