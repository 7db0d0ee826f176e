// message: what Slack's incoming webhooks take: null, or the word that they answer with.
import { isObject } from '../../lib/call.js';

// Others are not looked at, as by Slack, whose own client sends one.
const MEMBERS = new Set([
  'text',
  'blocks',
  'attachments',
  'mrkdwn',
  'unfurl_links',
  'unfurl_media',
  'thread_ts',
  'username',
  'icon_emoji',
  'icon_url',
  'channel',
  'link_names',
  'metadata',
]);
const MAX = {
  text: 40_000,
  blocks: 50,
  header: 150,
  section: 3000,
  field: 2000,
  fields: 10,
  elements: 10,
  actions: 25,
  button: 75,
  url: 3000,
  value: 2000,
  id: 255,
  alt: 2000,
};

function onlyKeys(object, keys) {
  return isObject(object) && Object.keys(object).every((key) => keys.includes(key));
}

// A text object: { type, text }.
function isText(value, max, types = ['plain_text', 'mrkdwn']) {
  if (!onlyKeys(value, ['type', 'text', 'emoji', 'verbatim'])) return false;
  if (!types.includes(value.type) || typeof value.text !== 'string') return false;
  if (value.emoji !== undefined && value.type !== 'plain_text') return false;
  return value.text.length >= 1 && value.text.length <= max;
}

function isUrl(value) {
  return typeof value === 'string' && /^https?:\/\/\S+$/.test(value) && value.length <= MAX.url;
}

function isImage(value) {
  return (
    isUrl(value.image_url) &&
    typeof value.alt_text === 'string' &&
    value.alt_text.length <= MAX.alt &&
    (value.title === undefined || isText(value.title, MAX.alt, ['plain_text']))
  );
}

function isButton(value) {
  if (
    !onlyKeys(value, ['type', 'text', 'action_id', 'url', 'value', 'style', 'accessibility_label', 'confirm'])
  )
    return false;
  return (
    value.type === 'button' &&
    isText(value.text, MAX.button, ['plain_text']) &&
    (value.url === undefined || isUrl(value.url)) &&
    (value.value === undefined || (typeof value.value === 'string' && value.value.length <= MAX.value)) &&
    (value.action_id === undefined ||
      (typeof value.action_id === 'string' && value.action_id.length <= MAX.id)) &&
    [undefined, 'primary', 'danger'].includes(value.style)
  );
}

function isList(value, max, test) {
  return Array.isArray(value) && value.length >= 1 && value.length <= max && value.every(test);
}

function isSection(block) {
  if (!onlyKeys(block, ['type', 'block_id', 'text', 'fields', 'accessory', 'expand'])) return false;
  if (block.text === undefined && block.fields === undefined) return false;
  return (
    (block.text === undefined || isText(block.text, MAX.section)) &&
    (block.fields === undefined || isList(block.fields, MAX.fields, (field) => isText(field, MAX.field))) &&
    (block.accessory === undefined ||
      isButton(block.accessory) ||
      (block.accessory.type === 'image' && isImage(block.accessory)))
  );
}

const BLOCKS = {
  section: isSection,
  header: (block) =>
    onlyKeys(block, ['type', 'block_id', 'text']) && isText(block.text, MAX.header, ['plain_text']),
  divider: (block) => onlyKeys(block, ['type', 'block_id']),
  context: (block) =>
    onlyKeys(block, ['type', 'block_id', 'elements']) &&
    isList(
      block.elements,
      MAX.elements,
      (one) => isText(one, MAX.section) || (one?.type === 'image' && isImage(one)),
    ),
  actions: (block) =>
    onlyKeys(block, ['type', 'block_id', 'elements']) &&
    isList(block.elements, MAX.actions, isButton) &&
    unique(block.elements.map((one) => one.action_id)),
  image: (block) => onlyKeys(block, ['type', 'block_id', 'image_url', 'alt_text', 'title']) && isImage(block),
};

function unique(ids) {
  const given = ids.filter((id) => id !== undefined);
  return new Set(given).size === given.length;
}

function isBlock(block) {
  if (!isObject(block) || !Object.hasOwn(BLOCKS, block.type)) return false;
  if (block.block_id !== undefined && (typeof block.block_id !== 'string' || block.block_id.length > MAX.id))
    return false;
  return BLOCKS[block.type](block);
}

// Entities aside, "<" begins a link or a mention and nothing else, and a stray one garbles the message.
function isEscaped(text) {
  return (
    !/<[^<>|]*\|[^<>|]*\|/.test(text) && // a link has one label
    !/&(?!(amp|lt|gt);)/.test(text.replace(/<[^<>]*>/g, '')) &&
    !/[<>]/.test(text.replace(/<(https?:\/\/|mailto:|[@#!])[^<>]*>/g, '').replace(/(^|\n)>/g, ''))
  );
}

function mrkdwn(blocks) {
  const texts = [];
  JSON.stringify(blocks, (key, value) => {
    if (value?.type === 'mrkdwn') texts.push(value.text);
    return value;
  });
  return texts;
}

// strict: false lets through what Slack shows garbled rather than refuses.
export function refuseMessage(message, strict = true) {
  if (!isObject(message)) return 'invalid_payload';
  const { text, blocks, attachments } = message;
  if (text !== undefined && typeof text !== 'string') return 'invalid_payload';
  if (!text && !blocks?.length && !attachments?.length) return 'no_text';
  if ((text ?? '').length > MAX.text) return 'msg_too_long';
  if (blocks !== undefined) {
    if (!Array.isArray(blocks) || blocks.length > MAX.blocks || !blocks.every(isBlock))
      return 'invalid_blocks';
    if (!unique(blocks.map((block) => block.block_id))) return 'invalid_blocks';
    if (strict && !mrkdwn(blocks).every(isEscaped)) return 'invalid_blocks';
  }
  if (strict && text && message.mrkdwn !== false && !isEscaped(text)) return 'invalid_payload';
  if (attachments !== undefined && (!Array.isArray(attachments) || attachments.length > 100))
    return 'invalid_attachments';
  return null;
}

// The members that mean nothing.
export function ignoredMembers(message) {
  return Object.keys(message).filter((key) => !MEMBERS.has(key));
}
