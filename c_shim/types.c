/*
 * types.c: what values of a type are made of.
 */
#include "shim.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "nodes/pg_list.h"
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
