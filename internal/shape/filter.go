package shape

import (
	"fmt"

	"cdcbridge/changelog"
)

// Filter is a condition on the rows of a table, as after WHERE in SQL:
//
//	status <> 'draft' and (qty > 3 or note is null) and region in ('eu', 'us') and code like 'A_%'
//
// There are =, <>, !=, <, <=, >, >=, [not] in, [not] between, [not] like, is [not] null, and, or, not and parentheses; names of
// columns, in double quotes or backticks where they are no plain words; numbers, texts in single quotes (one in a text is written
// twice), true and false; a column of truth values is a condition itself. NULL is not a match, as in SQL. Texts are equal when they
// have the same characters and come in the order of these, whatever the collation of the column is.
//
// It is parsed once and bound to each version of a table.
type Filter struct {
	text string
	root node
}

// ParseFilter reads a condition. The error says at which character it is wrong.
func ParseFilter(text string) (*Filter, error) {
	p := parser{lexer: lexer{text: text}}
	p.next()
	root := p.expression()
	if p.err == nil && p.token.kind != tokenEnd {
		p.fail("%s is not expected here", p.token.describe())
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Filter{text: text, root: root}, nil
}

// String gives the condition as it was written.
func (f *Filter) String() string { return f.text }

// compile binds the condition to a table. needs are the columns that it reads. The error says what does not fit.
func (f *Filter) compile(t *changelog.Table) (test, []int, error) {
	b := binder{table: t}
	made, err := f.root.bind(&b)
	if err != nil {
		return nil, nil, fmt.Errorf("the filter does not fit the table: %w", err)
	}
	return made, b.needs, nil
}

// node is a part of a parsed condition.
type node interface{ bind(b *binder) (test, error) }

type (
	allNode     []node
	anyNode     []node
	notNode     struct{ of node }
	nullNode    struct{ column operand }
	truthNode   struct{ column operand }
	compareNode struct {
		op          comparison
		left, right operand
	}
	likeNode struct {
		column  operand
		pattern string
	}
)

// operand is a column or a constant.
type operand struct {
	kind operandKind
	text string // name of the column, text, or number in plain digits
	yes  bool   // value of a truth value
	at   int    // where it begins, in characters from 1
}

type operandKind uint8

const (
	columnOperand operandKind = iota
	textOperand
	numberOperand
	truthOperand
)

func (o *operand) describe() string {
	switch o.kind {
	case columnOperand:
		return fmt.Sprintf("column %q", o.text)
	case textOperand:
		return "the text '" + o.text + "'"
	case numberOperand:
		return "the number " + o.text
	}
	return fmt.Sprint(o.yes)
}

// comparison is what holds between two values that are one before the other, equal, or one behind the other: a set of these.
type comparison uint8

const (
	less comparison = 1 << iota
	equal
	greater
)

func (c comparison) holds(order int) bool {
	switch {
	case order < 0:
		return c&less != 0
	case order > 0:
		return c&greater != 0
	}
	return c&equal != 0
}
