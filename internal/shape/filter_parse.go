package shape

import (
	"fmt"
	"strconv"
	"strings"
)

// parser reads a condition by recursive descent. The first problem stays in err, and makes the rest of the text its end.
type parser struct {
	lexer
	token token
	depth int
	err   error
}

// maxDepth bounds parentheses and nots within each other.
const maxDepth = 100

func (p *parser) next() {
	if p.err != nil {
		return
	}
	if p.token = p.lexer.token(); p.token.kind == tokenBad {
		p.fail("%s", p.token.text)
	}
}

// fail says what is wrong with the token.
func (p *parser) fail(format string, args ...any) { p.failAt(p.token.at, format, args...) }

func (p *parser) failAt(at int, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("at character %d: %s", at, fmt.Sprintf(format, args...))
	}
	p.token = token{at: p.token.at}
}

// take goes on if the token is that sign or keyword.
func (p *parser) take(text string) bool {
	if p.token.is(text) || p.token.kind == tokenSign && p.token.text == text {
		p.next()
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.take(text) {
		p.fail("%s is not expected here, but %s", p.token.describe(), text)
	}
}

func (p *parser) expression() node {
	list := anyNode{p.conjunction()}
	for p.take("or") {
		list = append(list, p.conjunction())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *parser) conjunction() node {
	list := allNode{p.negation()}
	for p.take("and") {
		list = append(list, p.negation())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *parser) negation() node {
	if p.depth++; p.depth > maxDepth {
		p.fail("more than %d conditions are within each other", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.err != nil:
		return nil
	case p.take("not"):
		return notNode{p.negation()}
	case p.take("("):
		e := p.expression()
		p.want(")")
		return e
	}
	return p.predicate()
}

var comparisons = map[string]comparison{"=": equal, "<>": less | greater, "!=": less | greater, "<": less, "<=": less | equal, ">": greater, ">=": greater | equal}

func (p *parser) predicate() node {
	left := p.operand()
	if op, ok := comparisons[p.token.text]; ok && p.token.kind == tokenSign {
		p.next()
		return compareNode{op, left, p.operand()}
	}
	if p.take("is") {
		negated := p.take("not")
		p.want("null")
		return p.negated(negated, nullNode{p.column(left)})
	}
	negated := p.take("not")
	switch {
	case p.take("in"):
		return p.negated(negated, p.list(left))
	case p.take("between"):
		from := p.operand()
		p.want("and")
		return p.negated(negated, allNode{compareNode{greater | equal, left, from}, compareNode{less | equal, left, p.operand()}})
	case p.take("like"):
		pattern := p.operand()
		if pattern.kind != textOperand {
			p.fail("like needs a text in single quotes")
		}
		return p.negated(negated, likeNode{p.column(left), pattern.text})
	case negated:
		p.fail("%s is not expected here, but in, between or like", p.token.describe())
	}
	return truthNode{p.column(left)}
}

func (p *parser) negated(yes bool, of node) node {
	if yes {
		return notNode{of}
	}
	return of
}

// list reads what stands behind in.
func (p *parser) list(left operand) node {
	var list anyNode
	p.want("(")
	for {
		list = append(list, compareNode{equal, left, p.operand()})
		if !p.take(",") {
			break
		}
	}
	p.want(")")
	return list
}

// column makes sure that an operand is a column.
func (p *parser) column(o operand) operand {
	if o.kind != columnOperand {
		p.failAt(o.at, "%s is not expected here, but a column", o.describe())
	}
	return o
}

// keywords are no names of columns unless they stand in quotes.
var keywords = []string{"and", "or", "not", "in", "is", "null", "like", "between", "true", "false"}

func (p *parser) operand() operand {
	o := operand{text: p.token.text, at: p.token.at}
	sign := ""
	if p.take("-") {
		sign = "-"
	} else {
		p.take("+")
	}
	switch t := p.token; {
	case t.kind == tokenNumber:
		o.kind = numberOperand
		var err error
		if o.text, err = plainNumber(t.text); err != nil {
			p.fail("%s", err)
		}
		o.text = sign + o.text
	case sign != "":
		p.fail("%s is not expected here, but a number", t.describe())
	case t.kind == tokenText:
		o.kind = textOperand
	case t.is("true") || t.is("false"):
		o.kind, o.yes = truthOperand, t.is("true")
	case t.kind == tokenName, t.kind == tokenWord && !isKeyword(&t):
	case t.is("null"):
		p.fail("nothing is equal to null: write is null, or is not null")
	default:
		p.fail("%s is not expected here, but a column or a value", t.describe())
	}
	p.next()
	return o
}

func isKeyword(t *token) bool {
	for _, k := range keywords {
		if t.is(k) {
			return true
		}
	}
	return false
}

// maxExponent bounds the digits that a number with an exponent stands for.
const maxExponent = 400

// plainNumber writes a number without exponent, with a digit before the point and no point without digits behind it.
func plainNumber(text string) (string, error) {
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, err := strconv.Atoi(text[i+1:])
		if err != nil || n > maxExponent || n < -maxExponent {
			return "", fmt.Errorf("%s is no number that can be compared", text)
		}
		mantissa, exponent = text[:i], n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", fmt.Errorf("%s is no number", text)
	}
	point := len(whole) + exponent
	if point < 1 {
		digits, point = strings.Repeat("0", 1-point)+digits, 1
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	if point == len(digits) {
		return digits, nil
	}
	return digits[:point] + "." + digits[point:], nil
}
