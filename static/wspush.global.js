/* wspush 0.1.0, MIT. From wspush.src.js */
{
const PROTOCOL="wspush.v1";
const MAX_RETRY=30000,ANSWER=10000,PROBE=15000;
const SOCKET_TRIES=3;
const isFinal=(code)=>/^(100[023789]|1010|[34][5-9]..)$/.test(code);
const base64Of=(bytes)=>btoa(bytes.reduce((text,byte)=>text+String.fromCharCode(byte),""));
class WSPush extends EventTarget {readyState=0;
protocol="";
extensions="";
binaryType="blob";
#a;
#b;
#c=new AbortController();
#d;
#e;
#f=0;
#g=0;
#h=false;
#i;
#j;
#k;
#l=new Map();
#m=[];
#n=false;
#o=0;
#p=[];
#q=0;
#r=[];
#s=0;
constructor(url,options={}){super();
const address=new URL(url,globalThis.document?.baseURI??globalThis.location);
address.hash="";
this.url=address.href.replace(/^http/,"ws");
if(!/^wss?:/.test(this.url))
throw new DOMException(`no WebSocket has the address ${url}`,"SyntaxError");
if(options.concat)
options={protocols:options};
this.#a={protocols:[],transports:["websocket","sse"],queue:4<<20,...options};
this.#j={id:options.since};
this.#t(decodeURIComponent(address.pathname).replace(/^\/|\/$/g,""));
for(const type of ["open","message","error","close","state","reset","presence","join","leave"]){this[`on${type}`]=null;
this.addEventListener(type,(event)=>this[`on${type}`]?.(event));
}
for(const type of ["online","offline","visibilitychange","pagehide","pageshow"])
globalThis.addEventListener?.(type,()=>this.#u(type),{signal:this.#c.signal});
this.#v();
}
get bufferedAmount(){return this.#o+(this.#d?.bufferedAmount??0);
}
send(data,channel){if(data?.byteLength >= 0)
data=new Uint8Array(data.buffer??data,data.byteOffset,data.byteLength).slice();
else if(!(data instanceof Blob))
data=`${data}`.replace(/\p{Cs}/gu,"\ufffd");
const {size}=new Blob([data]);
if(this.readyState<2){if(this.#o&&this.#o+size>this.#a.queue)
throw new DOMException("the queue is full","QuotaExceededError");
this.#m.push({data,channel,size});
}
this.#o+=size;
this.#w();
}
close(code,reason=""){if((code??1000)!==1000&&!(code >= 3000&&code<5000)||new Blob([reason]).size>123)
throw new DOMException("code or reason","InvalidAccessError");
if(this.readyState>1)
return;
this.readyState=2;
this.#i={code:code??1005,reason,wasClean:true};
this.#w();
}
subscribe(channel,since){channel=`${channel}`;
if(this.#l.has(channel))
return;
this.#l.set(channel,{id:since});
this.#x([channel]);
}
unsubscribe(channel){channel=`${channel}`;
if(channel!==this.#k&&this.#l.delete(channel)&&this.#y({unsub:[channel]}))
this.#r.push(channel);
}
get #z(){return this.state==="open"&&this.protocol===PROTOCOL;
}
async #v(){this.#aa();
const turn=this.#d={};
const takes=(transport,Line)=>Line&&this.#a.transports.includes(transport);
const isStream=takes("sse",globalThis.EventSource) &&!(takes("websocket",globalThis.WebSocket)&&this.#g<SOCKET_TRIES);
this.transport=isStream?"sse" :"websocket";
this.#ab(15000,()=>this.#ac());
this.#ad("connecting");
try {this.#b||=await this.#a.getToken?.();
if(turn===this.#d)
isStream?this.#ae() :this.#af();
} catch(error){await null;
if(turn!==this.#d)
return;
this.#ag("error",{code:"connect",text:`${error}`});
this.#ac();
}
}
#ah(scheme,since){const address=new URL(this.url.replace("ws",scheme));
const own=address.search.slice(1)||[];
address.search=Object.entries({since,token:this.#b}).filter(([,value])=>value)
.map(([name,value])=>`${name}=${encodeURIComponent(value)}`).concat(own).join("&");
return address;
}
#ai(line,type,act){line.addEventListener(type,(event)=>line===this.#d&&act(event));
}
#af(){const ours=++this.#g<SOCKET_TRIES||this.#h?[PROTOCOL] :[];
const offers=new Set(ours.concat(this.#a.protocols));
const line=this.#d=new WebSocket(this.#ah("ws",this.#j.id),[...offers]);
line.binaryType="arraybuffer";
line.onerror=()=>{};
this.#ai(line,"open",()=>{this.protocol=line.protocol;
this.extensions=line.extensions;
this.#g=0;
if(line.protocol===PROTOCOL)
return;
this.#g=SOCKET_TRIES-1;
this.#j.id=null;
this.#aj();
this.#ak(line,PROBE);
});
this.#ai(line,"message",({data})=>{this.#al();
line.protocol===PROTOCOL?this.#am(JSON.parse(data)) :this.#an({data});
});
this.#ai(line,"close",(event)=>this.#ao(event));
}
#ae(){const line=this.#d=new EventSource(this.#ah("http",this.#j.id));
let last="";
const listen=(type,act)=>this.#ai(line,type,({data,lastEventId:id})=>{this.#al();
act(data,id&&id!==last?id :null);
if(id)
this.#j.id=last=id;
});
this.#g=1;
this.#ai(line,"open",()=>{this.protocol=this.extensions="";
this.#j.on=true;
this.#aj();
this.#ak(line,PROBE);
});
this.#ai(line,"error",()=>{this.#ac();
});
listen("message",(data,id)=>this.#an({ch:id&&this.#k,id,data}));
listen("binary",(b64,id)=>this.#an({ch:id&&this.#k,id,b64}));
for(const type of ["hello","reset","presence","join","leave","beat","close"])
listen(type,(data)=>data&&this.#am({[type]:JSON.parse(data)}));
}
#ak(line,wait){setTimeout(()=>{if(line!==this.#d||!this.#a.transports.includes("websocket"))
return;
const socket=new WebSocket(this.#ah("ws"),PROTOCOL);
socket.onopen=()=>{socket.close();
if(line!==this.#d)
return;
this.#g=0;
this.#v();
};
socket.onclose=()=>this.#ak(line,Math.min(wait*2,300000));
},wait);
}
#aj(){const isFirst=!this.readyState;
this.readyState=1;
this.#f=0;
this.state="open";
this.#x([...this.#l.keys()].filter((name)=>name!==this.#k));
this.#ad("open");
this.#al();
if(isFirst)
this.#ag("open");
if(!this.#j.id&&(!isFirst||this.#a.since))
this.#ap(this.#k);
this.#w();
}
#ao(event){if(event.code===4401)
this.#b=null;
if(this.#i||isFinal(event.code))
this.#aq(event);
else
this.#ac(event);
}
#ac({code=1006,reason=""}={}){if(this.#i)
return this.#aq({code,reason,wasClean:false});
const isOff=globalThis.navigator?.onLine===false;
const delay=Math.random()*Math.min(MAX_RETRY,isOff?MAX_RETRY :1000*2**this.#f++);
const unsure=this.#aa();
if(this.state==="connecting")
this.#b=null;
this.#g -= isOff;
this.#ab(delay,()=>this.#v());
this.#ad(isOff?"offline" :"waiting",{code,reason,delay});
this.#ar("unsure",unsure);
}
#aa(){const sent=this.#p;
this.#d?.close?.();
this.#d=null;
this.#p=[];
this.#q=0;
this.#r=[];
this.#ab();
for(const at of this.#l.values())
at.on=false;
return sent;
}
#aq({code,reason,wasClean}){if(this.readyState>2)
return;
const unsure=this.#aa();
this.#c.abort();
this.readyState=3;
this.#ad("closed",{code,reason});
this.#ar("unsure",unsure);
this.#ar("unsent",this.#m);
this.#ag("close",{code,reason,wasClean},globalThis.CloseEvent);
}
#ab(ms,act){clearTimeout(this.#e);
this.#e=act&&setTimeout(act,ms);
}
#al(){if(this.transport==="sse")
this.#ab(60000,()=>this.#ac());
else
this.#ab(25000,this.#z&&(()=>this.#as(ANSWER)));
}
#as(wait){this.#q=this.#p.length;
this.#y({ping:++this.#s});
this.#ab(wait,()=>this.#ac());
}
#u(type){if(this.readyState>1||type==="visibilitychange"&&document.hidden)
return;
if(type==="pagehide"){this.#ac();
this.#ab();
} else if(this.#z){this.#as(3000);
} else if(this.state==="open"?type==="online"&&this.transport==="sse"
:this.state!=="connecting"&&type!=="offline"){this.#v();
}
}
#am(said){for(const type in said)
/^(presence|join|leave)$/.test(type)?this.#ag(type,said[type]) :this.#at[type]?.(said[type]);
if("data" in said||"b64" in said)
this.#an(said);
}
#at={hello:({client,user,channels})=>{this.client=client;
this.user=user;
this.#t(channels[0]);
this.#h=true;
if(this.transport==="websocket"){this.#g=-5;
this.#aj();
}
},sub:({ch,id,from=id})=>{const at=this.#l.get(ch);
if(!at||this.#r.includes(ch))
return;
at.on=true;
at.id??=from;
},unsub:({ch})=>{const i=this.#r.indexOf(ch);
if(i >= 0)
this.#r.splice(i,1);
else if(this.#l.delete(ch))
this.#ag("error",{code:"unsub",ch});
},pong:(number)=>{if(number===this.#s){this.#p.splice(0,this.#q);
this.#q=0;
this.#w();
}
},error:(body)=>{if(body.code==="unknown")
return this.#at.unsub(body);
const {ch,code}=body;
this.#k??this.#t(ch);
const at=this.#l.get(ch);
this.#ag("error",body);
if(!at||at.on||code==="inbound")
return;
if(code==="position"){this.#ap(ch);
this.#x([ch]);
} else if(at!==this.#j)
this.#l.delete(ch);
},reset:(body)=>{this.#ag("reset",body);
(this.#l.get(body.ch)??{}).id=body.id;
},close:(event)=>this.#ao({wasClean:true,...event}),};
#ap(ch){this.#at.reset({ch,why:"unknown",id:null});
}
#t(name){if(this.#l.get(this.#k)===this.#j)
this.#l.delete(this.#k);
this.#k=name;
this.#l.set(name,this.#j);
}
#an({ch=null,id=null,data,b64,ack}){const at=this.#l.get(ch);
if(this.readyState>1||(ch&&!at?.on))
return;
if(!id||id!==at?.last){data??=Uint8Array.from(atob(b64),(c)=>c.charCodeAt()).buffer;
if(typeof data!=="string"&&this.binaryType==="blob")
data=new Blob([data]);
this.#ag("message",{data,origin:new URL(this.url).origin,lastEventId:id??"",ch,id},MessageEvent);
if(id&&at)
at.id=at.last=id;
}
if(ack)
this.#y({ack});
}
#y(what){return this.#z&&!this.#d.send(JSON.stringify(what));
}
#x(names){const since=names.map((name)=>[name,this.#l.get(name).id||undefined]);
if(names.length)
this.#y({sub:names,since:Object.fromEntries(since)});
}
async #w(){while(!this.#n&&this.state==="open"&&this.#m.length&&this.#p.length<50){const later=this.#au(this.#m[0]);
this.#n=true;
if(later)
await later;
this.#n=false;
}
if(this.#p.length&&!this.#q)
this.#as(ANSWER);
if(this.#i&&!this.#n)
this.#av(this.#i);
}
#au(item){const {data,channel}=item,isText=typeof data==="string";
if(data instanceof Blob)
return data.arrayBuffer().then((bytes)=>{item.data=new Uint8Array(bytes);},()=>this.#ar("unsent",[this.#aw()]));
this.#aw();
if(this.#z){this.#p.push(item);
this.#y({ch:channel,...(isText?{data} :{b64:base64Of(data)})});
} else if(channel){this.#ar("unsent",[item]);
} else if(this.transport==="websocket"){this.#d.send(data);
} else {return this.#ax(data,isText?data :new Blob([data],{type:"application/octet-stream"}));
}
}
#aw(){const item=this.#m.shift();
this.#o -= item.size;
return item;
}
async #ax(data,body){const answer=fetch(this.#ah("http"),{method:"POST",body});
const text=await answer.then(async (got)=>got.ok?"" :`${got.status} ${await got.text()}`).catch(String);
if(text)
this.#ag("error",{code:"post",text,data});
}
#av({code,reason}){if(this.state!=="open"||this.transport==="sse"&&!this.#m.length){this.#aa();
this.#ab(0,()=>this.#aq(this.#i));
} else if(!this.#m.length)
this.#d.close(...(code===1005?[] :[code,reason]));
}
#ar(code,items){for(const {data,channel} of items)
this.#ag("error",{code,data,ch:channel});
}
#ad(state,details){this.state=state;
this.#ag("state",{state,transport:this.transport,protocol:this.protocol,...details});
}
#ag(type,{ch:channel,...details}={},Kind=Event){const event=new Kind(type,details);
details.channel=channel;
for(const name in details)
if(!(name in event))
event[name]=details[name];
this.dispatchEvent(event);
}
}
["CONNECTING","OPEN","CLOSING","CLOSED"].forEach((name,i)=>{WSPush[name]=WSPush.prototype[name]=i;});
globalThis.WSPush=WSPush}
