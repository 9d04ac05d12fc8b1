package endtoend

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

func (f *mysqlColumn) decode(format string, raw json.RawMessage) (string, error) {
	switch format {
	case "canal-json":
		return f.decodeCanal(raw)
	case "plain-json":
		return f.decodePlain(raw)
	}
	return f.decodeDebezium(raw)
}

func (f *mysqlColumn) decodeCanal(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	switch f.data {
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point":
		return latin1Hex(s)
	case "vector":
		return vectorHex([]byte(s))
	}
	return f.normalize(s), nil
}

func vectorHex(array []byte) (string, error) {
	var floats []float32
	if err := json.Unmarshal(array, &floats); err != nil {
		return "", err
	}
	var b []byte
	for _, v := range floats {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return hex.EncodeToString(b), nil
}

func (f *mysqlColumn) decodeDebezium(raw json.RawMessage) (string, error) {
	switch f.data {
	case "decimal":
		b, err := base64JSON(raw)
		if err != nil {
			return "", err
		}
		return decimalText(b, f.scale), nil
	case "bigint":
		if strings.Contains(f.full, "unsigned") {
			n, err := strconv.ParseInt(string(raw), 10, 64)
			return strconv.FormatUint(uint64(n), 10), err
		}
	case "bit":
		return bitText(raw)
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		b, err := base64JSON(raw)
		return hex.EncodeToString(b), err
	case "date", "time", "datetime", "timestamp":
		return f.temporalText(raw)
	case "year":
		return fmt.Sprintf("%04s", raw), nil
	case "geometry", "point":
		var g struct {
			WKB  []byte  `json:"wkb"`
			SRID *uint32 `json:"srid"`
		}
		if err := json.Unmarshal(raw, &g); err != nil {
			return "", err
		}
		b := make([]byte, 4)
		if g.SRID != nil {
			binary.LittleEndian.PutUint32(b, *g.SRID)
		}
		return hex.EncodeToString(append(b, g.WKB...)), nil
	case "vector":
		return vectorHex(raw)
	}
	if raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return f.normalize(s), err
	}
	return f.normalize(string(raw)), nil
}

func bitText(raw json.RawMessage) (string, error) {
	switch string(raw) {
	case "true":
		return "1", nil
	case "false":
		return "0", nil
	}
	b, err := base64JSON(raw)
	if err != nil {
		return "", err
	}
	if len(b) > 8 {
		return "", fmt.Errorf("%d bytes are more than a BIT column has", len(b))
	}
	var n [8]byte
	copy(n[:], b)
	return strconv.FormatUint(binary.LittleEndian.Uint64(n[:]), 10), nil
}

func (f *mysqlColumn) temporalText(raw json.RawMessage) (string, error) {
	fraction := strings.Repeat("0", f.precision)
	if fraction != "" {
		fraction = "." + fraction
	}
	if f.data == "timestamp" {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", err
		}
		at, err := time.Parse("2006-01-02T15:04:05"+fraction+"Z", s)
		return at.Format("2006-01-02 15:04:05" + fraction), err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return "", err
	}
	switch {
	case f.data == "date":
		return time.Unix(n*86400, 0).UTC().Format("2006-01-02"), nil
	case f.data == "datetime" && f.precision <= 3:
		return time.UnixMilli(n).UTC().Format("2006-01-02 15:04:05" + fraction), nil
	case f.data == "datetime":
		return time.UnixMicro(n).UTC().Format("2006-01-02 15:04:05" + fraction), nil
	}
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	s := fmt.Sprintf("%s%02d:%02d:%02d", sign, n/3_600_000_000, n/60_000_000%60, n/1_000_000%60)
	if f.precision > 0 {
		s += "." + fmt.Sprintf("%06d", n%1_000_000)[:f.precision]
	}
	return s, nil
}
