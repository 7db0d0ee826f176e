// routes: which method of the stand-in a path of Zendesk's is for.

// kind -> [method, path with {id}, method of the class]
const ROUTES = [
  ['token', 'POST', 'oauth/tokens', 'token'],
  ['ticket_update_many', 'PUT', 'api/v2/tickets/update_many', 'updateMany'],
  ['ticket_read_many', 'GET', 'api/v2/tickets/show_many', 'showTickets'],
  ['ticket_read', 'GET', 'api/v2/tickets/{id}', 'showTicket'],
  ['ticket_update', 'PUT', 'api/v2/tickets/{id}', 'updateTicket'],
  ['ticket_tags', 'GET', 'api/v2/tickets/{id}/tags', 'showTags'],
  ['ticket_tags', 'PUT', 'api/v2/tickets/{id}/tags', 'addTags'],
  ['ticket_tags', 'POST', 'api/v2/tickets/{id}/tags', 'setTags'],
  ['ticket_tags', 'DELETE', 'api/v2/tickets/{id}/tags', 'removeTags'],
  ['job_read_many', 'GET', 'api/v2/job_statuses/show_many', 'showJobs'],
  ['job_read', 'GET', 'api/v2/job_statuses/{id}', 'showJob'],
  ['me', 'GET', 'api/v2/users/me', 'me'],
  ['user_upsert', 'POST', 'api/v2/users/create_or_update', 'upsertUser'],
  ['user_upsert_many', 'POST', 'api/v2/users/create_or_update_many', 'upsertUsers'],
  ['user_read', 'GET', 'api/v2/users/show_many', 'showUsers'],
  ['user_read', 'GET', 'api/v2/users/{id}', 'showUser'],
  ['organization_upsert', 'POST', 'api/v2/organizations/create_or_update', 'upsertOrganization'],
  ['organization_read', 'GET', 'api/v2/organizations/show_many', 'showOrganizations'],
  ['organization_read', 'GET', 'api/v2/organizations/{id}', 'showOrganization'],
].map(([kind, method, path, name]) => ({ kind, method, parts: path.split('/'), name }));

// The route of a call, with the id in its path; null where there is none.
export function findRoute(call) {
  const parts = [...call.segments];
  if (parts.length > 0) parts.push(parts.pop().replace(/\.json$/, ''));
  for (const route of ROUTES) {
    if (route.method !== call.method || route.parts.length !== parts.length) continue;
    if (route.parts.every((part, i) => part === '{id}' || part === parts[i])) {
      return { ...route, id: parts[route.parts.indexOf('{id}')] };
    }
  }
  return null;
}
