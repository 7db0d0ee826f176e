// card: what Teams takes of adaptive cards: null, or what is wrong and where.
import { isObject } from '../../lib/call.js';

const SIZES = ['default', 'small', 'medium', 'large', 'extralarge'];
const WEIGHTS = ['default', 'lighter', 'bolder'];
const COLORS = ['default', 'dark', 'light', 'accent', 'good', 'warning', 'attention'];
const SPACINGS = ['none', 'default', 'small', 'medium', 'large', 'extralarge', 'padding'];
const ALIGNMENTS = ['left', 'center', 'right'];
const STYLES = ['default', 'emphasis', 'good', 'attention', 'warning', 'accent'];
const MAX_VERSION = 5; // of 1.x

// What a member may be: a list is one of these words whatever their case.
const boolean = (value) => typeof value === 'boolean';
const text = (value) => typeof value === 'string';
const words = (value) => typeof value === 'string' && value !== '';
const count = (value) => Number.isInteger(value) && value > 0;
const url = (value) => typeof value === 'string' && /^https?:\/\/\S+$/.test(value);
const width = (value) =>
  value === 'auto' ||
  value === 'stretch' ||
  typeof value === 'number' ||
  (typeof value === 'string' && /^\d+(px)?$/.test(value));
const elements = 'elements';
const actions = 'actions';

const COMMON = {
  id: text,
  spacing: SPACINGS,
  separator: boolean,
  isVisible: boolean,
  height: ['auto', 'stretch'],
  fallback: () => true,
};
const PIECES = {
  TextBlock: {
    need: ['text'],
    text: words,
    size: SIZES,
    weight: WEIGHTS,
    color: COLORS,
    isSubtle: boolean,
    wrap: boolean,
    maxLines: count,
    horizontalAlignment: ALIGNMENTS,
    fontType: ['default', 'monospace'],
    style: ['default', 'heading', 'columnHeader'],
  },
  FactSet: { need: ['facts'], facts: 'facts' },
  Container: {
    need: ['items'],
    items: elements,
    style: STYLES,
    bleed: boolean,
    verticalContentAlignment: ['top', 'center', 'bottom'],
  },
  ColumnSet: {
    need: ['columns'],
    columns: 'columns',
    style: STYLES,
    bleed: boolean,
    horizontalAlignment: ALIGNMENTS,
  },
  Column: {
    need: [],
    items: elements,
    width,
    style: STYLES,
    bleed: boolean,
    verticalContentAlignment: ['top', 'center', 'bottom'],
  },
  Image: {
    need: ['url'],
    url,
    altText: text,
    size: ['auto', 'stretch', 'small', 'medium', 'large'],
    horizontalAlignment: ALIGNMENTS,
  },
  ActionSet: { need: ['actions'], actions },
  'Action.OpenUrl': {
    need: ['title', 'url'],
    title: words,
    url,
    iconUrl: url,
    style: ['default', 'positive', 'destructive'],
    tooltip: text,
  },
};
const CARD = {
  need: ['type', 'version', 'body'],
  type: (value) => value === 'AdaptiveCard',
  version: isVersion,
  body: elements,
  actions,
  $schema: text,
  fallbackText: text,
  speak: text,
  lang: text,
  msteams: isObject,
  minHeight: text,
  rtl: boolean,
};

function isVersion(value) {
  const match = /^1\.(\d)$/.exec(value ?? '');
  return typeof value === 'string' && match !== null && Number(match[1]) <= MAX_VERSION;
}

function refuseList(list, where, test) {
  if (!Array.isArray(list) || list.length === 0) return `${where} is no list, or an empty one`;
  for (const [i, one] of list.entries()) {
    const wrong = test(one, `${where}[${i}]`);
    if (wrong) return wrong;
  }
  return null;
}

function refuseFact(fact, where) {
  if (!isObject(fact) || !words(fact.title) || !words(fact.value) || Object.keys(fact).length !== 2) {
    return `${where} is not a title and a value, both text`;
  }
  return null;
}

function refuseMembers(piece, members, where) {
  for (const name of members.need) if (!(name in piece)) return `${where} has no ${name}`;
  for (const [name, value] of Object.entries(piece)) {
    const rule =
      name === 'type' && members !== CARD
        ? () => true
        : (members[name] ?? (members === CARD ? undefined : COMMON[name]));
    const place = `${where}.${name}`;
    let wrong = null;
    if (rule === undefined || name === 'need') wrong = `${place} is not known`;
    else if (rule === elements) wrong = refuseList(value, place, (one, at) => refusePiece(one, at, false));
    else if (rule === actions) wrong = refuseList(value, place, (one, at) => refusePiece(one, at, true));
    else if (rule === 'facts') wrong = refuseList(value, place, refuseFact);
    else if (rule === 'columns') wrong = refuseList(value, place, (one, at) => refuseColumn(one, at));
    else if (Array.isArray(rule))
      wrong = rule.some((word) => word.toLowerCase() === String(value).toLowerCase())
        ? null
        : `${place} is "${value}"`;
    else if (!rule(value)) wrong = `${place} is not valid`;
    if (wrong) return wrong;
  }
  return null;
}

function refuseColumn(column, where) {
  if (!isObject(column) || (column.type ?? 'Column') !== 'Column') return `${where} is no column`;
  return refuseMembers(column, PIECES.Column, where);
}

function refusePiece(piece, where, isAction) {
  const known = isObject(piece) && Object.hasOwn(PIECES, piece.type) && piece.type !== 'Column';
  if (!known || piece.type.startsWith('Action.') !== isAction) return `${where}.type is "${piece?.type}"`;
  return refuseMembers(piece, PIECES[piece.type], where);
}

export function refuseCard(card) {
  return isObject(card) ? refuseMembers(card, CARD, 'card') : 'the card is no object';
}

// { type: "message", attachments: [{ contentType, contentUrl, content: card }] }
export function refuseEnvelope(message) {
  if (!isObject(message) || message.type !== 'message') return 'the type is not "message"';
  const extra = Object.keys(message).find((key) => !['type', 'attachments', 'summary'].includes(key));
  if (extra) return `${extra} is not known`;
  return refuseList(message.attachments, 'attachments', (one, where) => {
    if (!isObject(one) || one.contentType !== 'application/vnd.microsoft.card.adaptive')
      return `${where}.contentType is no adaptive card`;
    if ((one.contentUrl ?? null) !== null) return `${where}.contentUrl is not null`;
    const more = Object.keys(one).find((key) => !['contentType', 'contentUrl', 'content'].includes(key));
    return more ? `${where}.${more} is not known` : refuseCard(one.content);
  });
}
