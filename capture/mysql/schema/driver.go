package schema

import (
	"fmt"
	"io"
	"strconv"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/format"
)

// The parser leaves the values of literals to a driver. The only literals that it meets here are numbers, in comments and in
// place of expressions.
func init() {
	ast.NewValueExpr = func(v any, _, _ string) ast.ValueExpr { return &value{v: v} }
	ast.NewParamMarkerExpr = func(int) ast.ParamMarkerExpr { return nil }
	ast.NewDecimal = func(s string) (any, error) { return s, nil }
	ast.NewHexLiteral = func(s string) (any, error) { return s, nil }
	ast.NewBitLiteral = func(s string) (any, error) { return s, nil }
}

// value is a literal.
type value struct {
	ast.TexprNode
	v any
}

func (n *value) Restore(*format.RestoreCtx) error      { return nil }
func (n *value) Accept(v ast.Visitor) (ast.Node, bool) { return v.Leave(n) }
func (n *value) Text() string                          { return "" }
func (n *value) Format(io.Writer)                      {}
func (n *value) SetValue(v any)                        { n.v = v }
func (n *value) GetValue() any                         { return n.v }
func (n *value) GetDatumString() string                { return n.GetString() }
func (n *value) GetString() string                     { return fmt.Sprint(n.v) }
func (n *value) GetProjectionOffset() int              { return 0 }
func (n *value) SetProjectionOffset(int)               {}

// parse reads a rewritten statement.
func (r *rewriting) parse() (ast.StmtNode, error) {
	stmt, err := parser.New().ParseOneStmt(r.sql, "", "")
	if err != nil {
		return nil, fmt.Errorf("reading a statement: %w", err)
	}
	return stmt, nil
}

// marked gives the number in a comment.
func marked(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("reading a statement: its parts are mixed up: %w", err)
	}
	return n, nil
}

// definition gives the definition that stands behind a column.
func (r *rewriting) definition(col *ast.ColumnDef) (*definition, error) {
	for _, o := range col.Options {
		if v, ok := o.Expr.(*value); ok && o.Tp == ast.ColumnOptionComment {
			n, err := marked(v.GetString())
			if err != nil || n >= len(r.definitions) {
				return nil, fmt.Errorf("reading the column %s: %w", col.Name.Name.O, err)
			}
			return &r.definitions[n], nil
		}
	}
	return nil, fmt.Errorf("reading the column %s: it has no definition", col.Name.Name.O)
}

// option gives the options that stand behind the options of a table.
func (r *rewriting) option(options []*ast.TableOption) (tableOptions, error) {
	for _, o := range options {
		if o.Tp == ast.TableOptionComment {
			n, err := marked(o.StrValue)
			if err != nil || n >= len(r.options) {
				return tableOptions{}, fmt.Errorf("reading the options of a table: %w", err)
			}
			return r.options[n], nil
		}
	}
	return tableOptions{}, nil
}

// newKey is an index that a statement adds.
type newKey struct {
	Index
	keyDetail
	unique bool
}

// key gives an index as it is written, yet without a name when the server chooses it.
func (r *rewriting) key(c *ast.Constraint) (newKey, error) {
	k := newKey{unique: c.Tp == ast.ConstraintPrimaryKey || c.Tp == ast.ConstraintUniq}
	k.Name = c.Name
	if c.Tp == ast.ConstraintPrimaryKey {
		k.Name = primary
	}
	for _, p := range c.Keys {
		part := Part{Descending: p.Desc}
		if p.Column != nil {
			part.Column, part.Prefix = p.Column.Name.O, max(p.Length, 0)
		}
		k.Parts = append(k.Parts, part)
	}
	if c.Option == nil {
		return k, fmt.Errorf("reading the index %s: it has no number", c.Name)
	}
	n, err := marked(c.Option.Comment)
	if err != nil || n >= len(r.keys) {
		return k, fmt.Errorf("reading the index %s: %w", c.Name, err)
	}
	k.keyDetail = r.keys[n]
	return k, nil
}
